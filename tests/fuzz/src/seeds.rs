//! Writes the seeds of the fuzz targets: real datagrams, what is in them, and some texts.

use std::{collections::BTreeSet, fs, io, path::Path};

use tidings::gossip::fuzzing::seeds;

/// The most contents of records, and packets of the membership.
const PARTS_MAX: usize = 12;

const ENDPOINTS: &[&str] = &[
    "http://10.0.0.9:8000",
    "GRPCS://Users.Example:9000/?zone=eu-1",
    "http://[2001:db8::1]:80",
    "https://bücher.example:443?a=%20&b",
    "tcp://0.0.0.0:1",
    "grpc://[::ffff:0.0.0.0]:65535",
    "http://user:password@host:1/",
];

const INSTANCES: &[&str] = &[
    r#"{"id":"a","name":"users","version":"1.4.2","metadata":{"zone":"eu-1"},"endpoints":["http://10.0.0.9:8000"]}"#,
    r#"{"id":"a","name":"users","version":null,"metadata":null,"endpoints":null,"status":"draining","more":[1,{}]}"#,
    r#"{"id":"\u00fc\ud83d\ude00","name":"n","endpoints":["grpc://h:1","grpc://h:1"],"status":"unhealthy"}"#,
];

const KEYS: &[&str] = &[
    "fJ3qTqZ0c1nKZ8mVtq0Qe7v2mB0mTn8Zc0dT4m3kR1s=",
    " KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=\n",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "c2hvcnQ=",
];

const SNAPSHOTS: &[&str] = &[
    r#"{"format":1,"cluster":"fuzzed","written_at_unix_ms":1800000000000,"members":["10.0.0.7:7946","[2001:db8::7]:7946"],"services":{"orders":[{"id":"a","name":"orders","version":"1.4.2","metadata":{"zone":"eu-1"},"endpoints":["http://10.0.0.9:8000"]}]}}"#,
    r#"{"format":1,"cluster":"fuzzed","written_at_unix_ms":1800000000000,"members":["[::ffff:10.0.0.1]:7946","0.0.0.0:1","10.0.0.1:0"],"services":{},"unconfirmed":[{"confirmed_at_unix_ms":1799999000000,"services":{"users":[{"id":"b","name":"users"},{"id":"b","name":"users","status":"draining"}]}},{"confirmed_at_unix_ms":18446744073709551615,"services":{"a":[],"users":[{"id":"c","name":"users"}]}}],"more":[[]]}"#,
    r#"{"cluster":"fuzzed","format":2}"#,
];

/// Tags and lengths in bincode: two, one with a tag of three bytes, and one that is cut off.
const EXTENSIONS: &[&[u8]] = &[
    b"\x07\x06future\x00\x00",
    b"\xfb\x84\x03\x01x",
    b"\x01\x09cut",
];

/// Scripts: the first byte of each line is what happens, see `Play::step`.
const SCRIPTS: &[&[u8]] = &[
    // Time, and nothing else, to where the silent one is declared dead.
    &[0, 7, 0, 7, 0, 7],
    // What is under way is lost, said twice, said by others, changed.
    &[
        13, 0, 0, 9, 0, 10, 0, 0, 11, 0, 1, 12, 1, 2, 4, 10, 1, 7, 1, 0, 60, 0, 9, 0, 4, 10, 0, 3,
        0, 6,
    ],
    // A record of many datagrams, in a bad time.
    &[
        13, 1, 3, 255, 0, 0, 0, 2, 10, 0, 0, 0, 3, 10, 2, 0, 0, 5, 13, 0, 0, 200, 0, 0, 6,
    ],
    // Made up, by a member and by a stranger.
    &[
        4, 0, 0, 8, 1, 0, 9, 9, 9, 9, 9, 9, 1, 4, 4, 0, 4, 1, 2, 3, 4, 0, 0, 6,
    ],
    // A pause, a clock that is wrong, and evidence.
    &[
        15, 7, 14, 3, 0, 6, 13, 0, 5, 0, 2, 0, 5, 14, 5, 0, 6, 14, 2, 15, 6, 0, 6,
    ],
    // Everybody leaves.
    &[
        13, 0, 7, 0, 0, 0, 6, 13, 1, 7, 0, 0, 0, 6, 13, 2, 7, 0, 0, 0, 7,
    ],
];

fn main() -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let directory = directory.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), bytes)
    };
    let mut packets = BTreeSet::new();
    let mut contents = BTreeSet::new();
    let mut sealed = 0;
    let real = seeds::datagrams();
    for (number, datagram) in real.iter().enumerate() {
        let kind = seeds::kind_of(datagram);
        let name = format!("{number:02}-kind-{kind:02}");
        write("datagram", &name, datagram)?;
        // 46 bytes of header and preamble stand before the kind.
        write("message", &name, &datagram[46..])?;
        if sealed < PARTS_MAX / 2 && datagram.len() < 200 {
            sealed += 1;
            write("sealed", &name, &seeds::sealed(datagram))?;
        }
        let (packet, records) = seeds::parts_of(datagram);
        packets.extend(packet);
        contents.extend(records);
        // Said again by a member and by a stranger, and then time passes.
        let number = u8::try_from(number).expect("there are some dozens");
        for (from, name) in [(0, "member"), (4, "stranger")] {
            if number % 6 == from / 2 {
                let script = [
                    6, from, number, 0, 0, 5, 7, from, number, 1, 0, 60, 0, 9, 0, 6,
                ];
                let name = format!("{number:02}-kind-{kind:02}-{name}");
                write("handle_datagram", &name, &script)?;
                write("handle_sealed_datagram", &name, &script)?;
            }
        }
    }
    let numbered = |target: &str, all: &mut dyn Iterator<Item = &[u8]>| {
        all.take(PARTS_MAX)
            .enumerate()
            .try_for_each(|(number, bytes)| write(target, &format!("{number:02}"), bytes))
    };
    numbered("swim", &mut packets.iter().map(Vec::as_slice))?;
    numbered("content", &mut contents.iter().map(Vec::as_slice))?;
    numbered("extensions", &mut EXTENSIONS.iter().copied())?;
    numbered("endpoint", &mut ENDPOINTS.iter().map(|t| t.as_bytes()))?;
    numbered("instance_json", &mut INSTANCES.iter().map(|t| t.as_bytes()))?;
    numbered("key_text", &mut KEYS.iter().map(|t| t.as_bytes()))?;
    numbered("snapshot", &mut SNAPSHOTS.iter().map(|t| t.as_bytes()))?;
    numbered("handle_datagram", &mut SCRIPTS.iter().copied())?;
    numbered("handle_sealed_datagram", &mut SCRIPTS.iter().copied())
}
