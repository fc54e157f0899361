const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * Integration tests mostly wait, some of them for a minute: begun last, by their size, they would
 * leave the other workers without anything to do.
 */
module.exports = class WaitingFirst extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    const waits = ({ context }) => context.config.displayName?.name === 'integration';
    return [...sorted.filter(waits), ...sorted.filter((test) => !waits(test))];
  }
};
