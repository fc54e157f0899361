/**
 * Calls the user's handlers. What they throw is an uncaught error of theirs, as with any event of
 * Node's; it never reaches the connection that called them.
 */
export function tell(emit: () => void): void {
  try {
    emit();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
