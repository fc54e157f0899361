import { filesUnder, importsOf, read, readPackage, workspaces } from './sources.js';

const linesMax = 400;
const typescript = filesUnder('.', ['.ts']);
const native = filesUnder('native-alsa', ['.cpp', '.cc', '.c', '.h']);
const isTest = (path: string): boolean => path.endsWith('.test.ts');

/** Lines on which a pattern occurs, outside of comments and text. */
function linesWith(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, i) => {
        const code = line.replace(/^\s*(\*|\/\*\*?|\/\/).*$/, '').replace(/'[^']*'/g, "''");
        return pattern.test(code) ? [`${path}:${i + 1}: ${line.trim()}`] : [];
      }),
  );
}

describe('the sources', () => {
  test('are found', () => {
    expect(typescript.length).toBeGreaterThan(50);
    expect(native.length).toBeGreaterThan(10);
  });

  test(`are files of at most ${linesMax} lines`, () => {
    const long = [...typescript.filter((path) => !isTest(path)), ...native]
      .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
      .filter(({ lines }) => lines > linesMax)
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    expect(long).toEqual([]);
  });

  test('have no any', () => {
    const pattern = /(:|<|\bas|,|\|)\s*any\b(?!\s*[:(])/;
    const self = 'test/tidy/house.test.ts';
    expect(
      linesWith(
        typescript.filter((path) => path !== self),
        pattern,
      ),
    ).toEqual([]);
  });

  test('have no timer on the way of a frame', () => {
    const folders = ['audio', 'output-pipeline', 'input-pipeline'];
    const sources = folders
      .flatMap((name) => filesUnder(`packages/${name}/src`, ['.ts']))
      .filter((path) => !isTest(path));
    expect(sources.length).toBeGreaterThan(10);
    expect(linesWith(sources, /\bset(Timeout|Interval)\b/)).toEqual([]);
    const timers = sources.filter((path) => /^node:timers/m.test(importsOf(path).join('\n')));
    expect(timers).toEqual([]);
  });

  test('write to no console where a log is due', () => {
    const servers = [
      'protocol',
      'audio',
      'daemon',
      'supervisor',
      'output-pipeline',
      'input-pipeline',
    ];
    const sources = servers.flatMap((name) => filesUnder(`packages/${name}/src`, ['.ts']));
    expect(linesWith(sources, /\bconsole\./)).toEqual([]);
  });

  test('skip or single out no test', () => {
    const tests = typescript.filter((path) => isTest(path) && path !== 'test/tidy/house.test.ts');
    expect(linesWith(tests, /\b(test|describe|it)\.(only|skip|todo)\b|\bx(test|it)\(/)).toEqual([]);
  });
});

describe('the versions', () => {
  const told = /version = '([^']+)'/.exec(read('packages/daemon/src/version.ts'))?.[1];

  test('of all packages are the one that the daemon tells', () => {
    expect(told).toMatch(/^\d+\.\d+\.\d+$/);
    const versions = ['.', ...workspaces].map((folder) => [folder, readPackage(folder).version]);
    expect(versions).toEqual(['.', ...workspaces].map((folder) => [folder, told]));
  });

  test('of packages that depend on each other are that one too', () => {
    const wrong = workspaces.flatMap((folder) =>
      Object.entries(readPackage(folder).dependencies ?? {})
        .filter(([name, version]) => name.startsWith('@kvm-audio/') && version !== told)
        .map(([name, version]) => `${folder}: ${name} ${version}`),
    );
    expect(wrong).toEqual([]);
  });

  test('of what others made are exact', () => {
    const wrong = ['.', ...workspaces].flatMap((folder) => {
      const { dependencies, devDependencies } = readPackage(folder);
      return Object.entries({ ...dependencies, ...devDependencies })
        .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
        .map(([name, version]) => `${folder}: ${name} ${version}`);
    });
    expect(wrong).toEqual([]);
  });
});

describe('the lock file', () => {
  type Locked = { resolved?: string; link?: boolean; version?: string };
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };

  test('names no host from which a package came', () => {
    const resolved = Object.entries(lock.packages).filter(
      ([, { resolved }]) => resolved !== undefined && /:|^\/\//.test(resolved),
    );
    expect(resolved).toEqual([]);
    expect(read('package-lock.json')).not.toMatch(/https?:\/\/[^"]*\.tgz/);
  });

  test('knows each workspace with its version', () => {
    const versions = workspaces.map((folder) => [folder, lock.packages[folder]?.version]);
    expect(versions).toEqual(workspaces.map((folder) => [folder, readPackage(folder).version]));
  });
});
