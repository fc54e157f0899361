#!/bin/sh
# What kvm-audio needs of a Debian machine: to build, to run the demo, to run the tests; or the
# packages that are named on the command line.
# Installs what is missing through apt, as root or with sudo; else prints the line to run and
# stops. Says nothing and touches nothing where all is there.
set -eu

# Compiler and node-gyp; ALSA, SpeexDSP and Opus for the addons; aplay and arecord; sound to test
# with; MessagePack for the example in Python.
PACKAGES="build-essential python3 pkg-config libasound2-dev libspeexdsp-dev libopus-dev alsa-utils \
sox espeak-ng python3-msgpack"
[ $# -eq 0 ] || PACKAGES="$*"

NODE_MAJOR_MIN=20

check_node() {
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge "$NODE_MAJOR_MIN" ] && return
  echo "kvm-audio needs Node.js $NODE_MAJOR_MIN or newer, this is $(node --version)" >&2
  exit 1
}

# Before anything is installed, where there is a Node.
if command -v node >/dev/null 2>&1; then check_node; fi

missing=""
for package in $PACKAGES; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing="$missing $package"
done
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"

if [ -n "$missing" ]; then
  line="apt-get update && apt-get install -y --no-install-recommends$missing"
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "kvm-audio needs these Debian packages or their like:$missing" >&2
    exit 1
  elif [ "$(id -u)" = 0 ]; then
    as_root=""
  elif command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root="sudo"
  else
    echo "kvm-audio needs Debian packages that are not installed. Run this, then try again:" >&2
    echo "  sudo sh -c '$line'" >&2
    exit 1
  fi
  echo "installing:$missing"
  log=$(mktemp)
  $as_root env DEBIAN_FRONTEND=noninteractive sh -c "$line" >"$log" 2>&1 || {
    cat "$log" >&2
    rm -f "$log"
    echo "kvm-audio: these Debian packages could not be installed:$missing" >&2
    exit 1
  }
  rm -f "$log"
fi

check_node
