//! Finds RocksDB (Debian: librocksdb-dev) and builds the binding to it. Without it the crate builds
//! without `cfg(rocksdb)`: BlueFS is there, the database is not. `OSDYNO_ROCKSDB=off` leaves it
//! out.

use std::path::Path;

const SOURCES: [&str; 3] = [
    "src/rocks/cpp/files.cc",
    "src/rocks/cpp/database.cc",
    "src/rocks/cpp/operators.cc",
];
const HEADERS: [&str; 3] = [
    "src/rocks/cpp/binding.h",
    "src/rocks/cpp/files.h",
    "src/rocks/cpp/operators.h",
];

fn main() {
    println!("cargo:rustc-check-cfg=cfg(rocksdb)");
    println!("cargo:rerun-if-env-changed=OSDYNO_ROCKSDB");
    println!("cargo:rerun-if-changed=build.rs");
    for file in SOURCES.iter().chain(&HEADERS) {
        println!("cargo:rerun-if-changed={file}");
    }
    // What does not exist would count as changed in every build, so watch the folder then.
    let header = "/usr/include/rocksdb/version.h";
    let watched = if Path::new(header).exists() {
        header
    } else {
        "/usr/include"
    };
    println!("cargo:rerun-if-changed={watched}");
    match std::env::var("OSDYNO_ROCKSDB").as_deref() {
        Ok("off") => return,
        Ok("bundled") => panic!(
            "RocksDB's source is not bundled: apt install librocksdb-dev, or unset OSDYNO_ROCKSDB"
        ),
        _ => {}
    }
    if !found() {
        return;
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .files(SOURCES)
        .warnings(true)
        .flag_if_supported("-Wno-unused-parameter")
        .opt_level(2)
        .compile("osdyno_rocksdb");
    println!("cargo:rustc-link-lib=dylib=rocksdb");
    println!("cargo:rustc-cfg=rocksdb");
    println!("cargo:found=1");
}

/// Header and library are there, of a version whose file system interface is the one we know.
fn found() -> bool {
    let probe = std::env::var("OUT_DIR").expect("cargo sets it");
    let source = Path::new(&probe).join("probe.cc");
    let program = Path::new(&probe).join("probe");
    let text = "#include <rocksdb/db.h>\n#include <rocksdb/file_system.h>\n\
         #include <rocksdb/version.h>\n#if ROCKSDB_MAJOR < 7\n#error too old\n#endif\n\
         int main() { return rocksdb::FileSystem::Default() == nullptr; }\n";
    if std::fs::write(&source, text).is_err() {
        return false;
    }
    let compiler = cc::Build::new().cpp(true).std("c++17").get_compiler();
    compiler
        .to_command()
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-lrocksdb")
        .output()
        .is_ok_and(|output| output.status.success())
}
