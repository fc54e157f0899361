import { StreamHold } from './StreamHold.js';

describe('a stream that is held', () => {
  const said: string[] = [];
  const stream = new StreamHold(
    () => said.push('back'),
    () => said.push('lent'),
  );

  beforeEach(() => {
    said.length = 0;
  });

  test('is taken back before the work and lent after it', () => {
    expect(stream.hold(() => said.push('work'))).toBe(2);
    expect(said).toEqual(['back', 'work', 'lent']);
  });

  test('is lent once, when the outermost work is done', () => {
    stream.hold(() => {
      stream.hold(() => said.push('inner'));
      stream.release();
      said.push('outer');
    });
    expect(said).toEqual(['back', 'inner', 'outer', 'lent']);
  });

  test('is lent also where the work fails', () => {
    expect(() =>
      stream.hold(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(said).toEqual(['back', 'lent']);
  });

  test('stays where it is while what was done is learnt, or is held where that cannot be', () => {
    let goesOn = true;
    const carried = new StreamHold(
      () => said.push('back'),
      () => said.push('lent'),
      () => said.push('caught up') > 0 && goesOn,
    );
    carried.catchUp();
    expect(said).toEqual(['caught up']);
    goesOn = false;
    carried.catchUp();
    expect(said).toEqual(['caught up', 'caught up', 'back', 'lent']);
  });

  test('is lent on release, where nobody holds it', () => {
    stream.release();
    expect(said).toEqual(['lent']);
  });
});
