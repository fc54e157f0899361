/**
 * What is thrown outside of every caller from now on, as messages, instead of the end of the
 * process: such errors come by `process.nextTick`. `jest.restoreAllMocks` ends it.
 */
export function uncaughtErrors(): string[] {
  const messages: string[] = [];
  const nextTick = process.nextTick.bind(process);
  jest.spyOn(process, 'nextTick').mockImplementation((callback, ...args) => {
    nextTick(() => {
      try {
        callback(...args);
      } catch (error) {
        messages.push((error as Error).message);
      }
    });
  });
  return messages;
}
