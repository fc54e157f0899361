import { escapeControls } from './escapeControls.js';
import { limits } from './limits.js';

/** A wrong text as an error repeats it: in quotes, on one line, `limits.shownCharsMax` of it. */
export function quoted(value: string): string {
  const { shownCharsMax } = limits;
  // A character takes two units of a string at most.
  const shown = [...value.slice(0, 2 * shownCharsMax)].slice(0, shownCharsMax).join('');
  return `${escapeControls(JSON.stringify(shown))}${shown.length < value.length ? '…' : ''}`;
}
