#!/bin/sh
# What kvm-audio needs of a Debian machine: to build, to run the demo, to run the tests.
# Installs what is missing through apt, as root or with sudo; else prints the line to run and
# stops. Says nothing and touches nothing where all is there.
set -eu

# Compiler and node-gyp; ALSA and Opus for the addons; aplay and arecord; sound to test with.
PACKAGES="build-essential python3 pkg-config libasound2-dev libopus-dev alsa-utils sox espeak-ng"

NODE_MAJOR_MIN=20

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
  $as_root env DEBIAN_FRONTEND=noninteractive sh -c "$line" >/tmp/kvm-audio-apt.$$ 2>&1 || {
    cat /tmp/kvm-audio-apt.$$ >&2
    rm -f /tmp/kvm-audio-apt.$$
    echo "kvm-audio: these Debian packages could not be installed:$missing" >&2
    exit 1
  }
  rm -f /tmp/kvm-audio-apt.$$
fi

major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt "$NODE_MAJOR_MIN" ]; then
  echo "kvm-audio needs Node.js $NODE_MAJOR_MIN or newer, this is $(node --version)" >&2
  exit 1
fi
