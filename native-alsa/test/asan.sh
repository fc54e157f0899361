#!/bin/sh
# Builds the addons with AddressSanitizer into a copy of native-alsa and runs its tests there.
# Arguments go to jest, such as a path or -t 'title'. The copy is native-alsa/build/asan, or
# $KVM_AUDIO_ASAN_DIR; sources are copied, all else is linked.
set -eu

repository=$(cd "$(dirname "$0")/../.." && pwd)
copy=${KVM_AUDIO_ASAN_DIR:-$repository/native-alsa/build/asan}
card=$repository/native-alsa/build/virtual-card
# Node's own headers, where they lie beside it; else node-gyp fetches them.
headers=$(node -p "d = require('path').resolve(process.execPath, '../..');
  require('fs').existsSync(d + '/include/node/node_api.h') ? '--nodedir=' + d : ''")
libasan=$(${CC:-cc} -print-file-name=libasan.so)

rm -rf "$copy/native-alsa/lib" "$copy/native-alsa/src" "$copy/native-alsa/test"
mkdir -p "$copy/native-alsa/build"
cp -R "$repository/native-alsa/lib" "$repository/native-alsa/src" "$repository/native-alsa/test" \
  "$repository/native-alsa/binding.gyp" "$repository/native-alsa/package.json" "$copy/native-alsa/"
cp "$repository/package.json" "$copy/"
ln -sfn "$repository/node_modules" "$copy/node_modules"
ln -sfn "$repository/native-alsa/node_modules" "$copy/native-alsa/node_modules"
ln -sfn "$repository/etc" "$copy/etc"
ln -sfn "$card" "$copy/native-alsa/build/virtual-card"
# The repository's way to run TypeScript, without its reporters and its other projects.
cp "$repository/jest.config.js" "$copy/jest.all.js"
cat > "$copy/jest.config.js" <<'END'
import all from './jest.all.js';
const { displayName, testMatch, ...unit } = all.projects[0];
export default { ...unit, modulePathIgnorePatterns: ['/dist/'], roots: ['<rootDir>/native-alsa'] };
END

(cd "$copy/native-alsa" && "$repository/node_modules/.bin/node-gyp" configure --loglevel=warn $headers -- -Dsanitize=address)
make -C "$copy/native-alsa/build" --no-print-directory BUILDTYPE=Release

# Leaks are looked for too; thread-local storage is left out, where LeakSanitizer itself crashes on
# Node. A leak in a child process changes its exit code, which the tests compare.
export ASAN_OPTIONS=detect_leaks=1:malloc_context_size=2:abort_on_error=0
export LSAN_OPTIONS=use_tls=0:suppressions=$repository/native-alsa/test/lsan.supp:print_suppressions=0
cd "$copy"
LD_PRELOAD=$libasan exec node node_modules/jest/bin/jest.js --runInBand "$@"
