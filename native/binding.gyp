{
  "variables": {
    # The path of liburing.a, given by build.mjs where there is one.
    "liburing%": ""
  },
  "targets": [
    {
      "target_name": "walrus",
      "sources": [
        "src/addon.cc",
        "src/checksum.cc",
        "src/lock_socket.cc",
        "src/directory.cc",
        "src/disk.cc",
        "src/failure.cc",
        "src/file.cc",
        "src/pwrite_engine.cc",
        "src/ring.cc",
        "src/uring_engine.cc"
      ],
      "defines": ["NAPI_VERSION=8", "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED"],
      "cflags": ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fvisibility=hidden"],
      "cflags_cc": ["-std=c++20"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17"],
      "conditions": [
        ["liburing!=''", { "defines": ["WALRUS_LIBURING"], "libraries": ["<(liburing)"], "ldflags": ["-Wl,--exclude-libs,ALL"] }]
      ]
    }
  ]
}
