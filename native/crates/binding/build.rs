//! Tells the linker what a Node addon needs, and the binding whether there is a RocksDB.

fn main() {
    napi_build::setup();
    println!("cargo:rustc-check-cfg=cfg(rocksdb)");
    // From the build script of osdyno-kv.
    if std::env::var_os("DEP_OSDYNO_ROCKSDB_FOUND").is_some() {
        println!("cargo:rustc-cfg=rocksdb");
    }
}
