#![no_main]

#[path = "../../hostile_bytes/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::run("snapshot", bytes));
