/**
 * Bytes as they are written on a page about a protocol: hex pairs, with text in double quotes and
 * blanks wherever they help. `wireBytes('93 02 a5 "ready" 80')`
 */
export function wireBytes(page: string): Buffer {
  const parts = page.match(/"[^"]*"|[0-9a-f]+/g) ?? [];
  return Buffer.concat(
    parts.map((part) =>
      part.startsWith('"') ? Buffer.from(part.slice(1, -1)) : Buffer.from(part, 'hex'),
    ),
  );
}
