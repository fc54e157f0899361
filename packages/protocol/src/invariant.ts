import { AssertionError } from 'node:assert';

/**
 * `node:assert` for what is checked at each packet: that one takes its arguments apart at each
 * call, before it looks at them.
 *
 * @throws AssertionError with this message.
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError({ message, actual: condition, expected: true });
}
