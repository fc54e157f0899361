{
  "target_defaults": {
    "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fno-exceptions", "-fvisibility=hidden", "<@(whole)"],
    "ldflags": ["<@(whole)"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
    "conditions": [
      ["sanitize=='address'", {
        "cflags_cc": ["-fsanitize=address", "-fno-omit-frame-pointer", "-g"],
        "ldflags": ["-fsanitize=address"]
      }]
    ]
  },
  "variables": {
    "sanitize%": "none",
    # Each addon is optimised as a whole where the compiler and the linker can: it takes half the room.
    "whole": "<!(made=$(mktemp) && ${CXX:-c++} -flto=auto -shared -fPIC -x c++ /dev/null -o $made 2>/dev/null && echo -flto=auto; rm -f $made)"
  },
  "targets": [
    {
      "target_name": "alsa",
      "sources": ["<!@(ls -1 src/alsa/*.cpp)"],
      "cflags_cc": ["<!@(pkg-config --cflags alsa speexdsp)"],
      "libraries": ["<!@(pkg-config --libs alsa speexdsp)"],
      "ldflags": ["-Wl,-z,nodelete"]
    },
    {
      "target_name": "opus",
      "sources": ["<!@(ls -1 src/opus/*.cpp)"],
      "cflags_cc": ["<!@(pkg-config --cflags opus)"],
      "libraries": ["<!@(pkg-config --libs opus)"]
    },
    {
      "target_name": "sys",
      "sources": ["<!@(ls -1 src/sys/*.cpp)"]
    }
  ]
}
