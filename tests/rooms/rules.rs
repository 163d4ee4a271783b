//! The rules, and who breaks them.

use std::fmt;

use crate::source::{Named, Source, Token, named, tokens};

/// A room: a directory of `src`.
struct Room {
    name: &'static str,
    /// The other rooms that it may use.
    uses: &'static [&'static str],
    /// No clock, no socket, no task, no chance but what comes in as a parameter.
    pure: bool,
    /// Where a pure room touches the world nevertheless.
    world: &'static [&'static str],
}

/// "Who may depend on whom": an arrow that is not here does not exist.
const ROOMS: &[Room] = &[
    Room {
        name: "registry",
        uses: &[],
        pure: true,
        world: &[],
    },
    Room {
        name: "table",
        uses: &["registry"],
        pure: true,
        world: &[],
    },
    Room {
        name: "select",
        uses: &["registry"],
        pure: true,
        world: &[],
    },
    Room {
        name: "gossip",
        uses: &["registry", "table"],
        pure: true,
        world: &[],
    },
    Room {
        name: "health",
        uses: &["registry"],
        pure: true,
        world: &["src/health/checks/", "src/health/monitor/"],
    },
    Room {
        name: "fixed",
        uses: &["registry", "table"],
        pure: true,
        world: &[],
    },
    Room {
        name: "node",
        uses: &["registry", "table", "select", "gossip"],
        pure: false,
        world: &[],
    },
    Room {
        name: "app",
        uses: &["registry", "health"],
        pure: false,
        world: &[],
    },
    Room {
        name: "balance",
        uses: &["registry", "select"],
        pure: false,
        world: &[],
    },
    Room {
        name: "integrations",
        uses: &["registry", "select", "health", "app", "balance"],
        pure: false,
        world: &[],
    },
];

/// Crates that stay where they are, each with a place that may name it; some have several.
const CONFINED: &[(&str, &str)] = &[
    ("foca", "src/gossip/"),
    ("bincode", "src/gossip/wire/codec.rs"),
    ("tokio", "src/node/"),
    ("tokio", "src/health/checks/"),
    ("tokio", "src/health/monitor/"),
    ("tokio", "src/fixed/"),
    ("tokio", "src/app/"),
    ("hyper", "src/health/checks/http.rs"),
    ("hyper_util", "src/health/checks/http.rs"),
    ("tonic", "src/health/checks/grpc.rs"),
    ("tonic_health", "src/health/checks/grpc.rs"),
    ("tonic", "src/integrations/tonic"),
    ("tonic_health", "src/integrations/tonic_health.rs"),
    ("axum", "src/integrations/axum.rs"),
    ("socket2", "src/node/"),
    ("if_addrs", "src/node/"),
    ("nix", "src/node/error_queue/"),
    ("serde_json", "src/node/snapshot/"),
    ("uuid", "src/registry/"),
    ("aes_gcm", "src/gossip/security/cipher.rs"),
    ("aws_lc_rs", "src/gossip/security/cipher.rs"),
    ("ed25519_dalek", "src/gossip/security/signing"),
    ("base64ct", "src/gossip/security/"),
    ("hkdf", "src/gossip/security/"),
    ("semver", "src/select/filter/"),
    ("tokio", "src/balance/"),
    ("tokio", "src/integrations/"),
    ("tonic", "src/integrations/tonic"),
    ("reqwest", "src/integrations/reqwest"),
    ("tower", "src/integrations/tower"),
    ("tower_service", "src/integrations/"),
    ("http", "src/integrations/"),
    ("http_body", "src/balance/lent.rs"),
    ("http_body", "src/integrations/"),
];

/// Crates whose types no room shows to another.
const HIDDEN: &[&str] = &[
    "foca",
    "bincode",
    "aes_gcm",
    "aws_lc_rs",
    "ed25519_dalek",
    "hkdf",
    "zeroize",
];

/// What no pure room names. A path is matched wherever it stands in a longer one.
const IMPURE: &[(&[&str], &str)] = &[
    (&["time", "Instant"], CLOCK),
    (&["time", "*"], CLOCK),
    (&["Instant", "now"], CLOCK),
    (&["SystemTime"], CLOCK),
    (&["UNIX_EPOCH"], CLOCK),
    (&["UdpSocket"], SOCKET),
    (&["TcpStream"], SOCKET),
    (&["TcpListener"], SOCKET),
    (&["ToSocketAddrs"], SOCKET),
    (&["std", "os"], SOCKET),
    (&["std", "fs"], SOCKET),
    (&["std", "env"], SOCKET),
    (&["std", "process"], SOCKET),
    (&["std", "thread"], TASK),
    (&["thread", "spawn"], TASK),
    (&["thread", "sleep"], TASK),
    (&["rand", "rng"], CHANCE),
    (&["rand", "random"], CHANCE),
    (&["rand", "*"], CHANCE),
    (&["make_rng"], CHANCE),
    (&["thread_rng"], CHANCE),
    (&["ThreadRng"], CHANCE),
    (&["OsRng"], CHANCE),
    (&["SysRng"], CHANCE),
    (&["from_os_rng"], CHANCE),
    (&["getrandom"], CHANCE),
    (&["new_v4"], CHANCE),
    (&["HashMap"], ORDER),
    (&["HashSet"], ORDER),
    (&["RandomState"], ORDER),
    (&["HashTrieMap"], ORDER),
    (&["HashTrieMapSync"], ORDER),
    (&["HashTrieSet"], ORDER),
    (&["HashTrieSetSync"], ORDER),
];

/// Methods that no pure room calls, on whatever.
const IMPURE_METHODS: &[(&str, &str)] = &[
    ("spawn", TASK),
    ("spawn_blocking", TASK),
    ("sleep", TASK),
    ("to_socket_addrs", SOCKET),
    ("from_os_rng", CHANCE),
];

const CLOCK: &str = "reads no clock: `now` comes in as a parameter";
const SOCKET: &str = "opens no socket, and asks the operating system for nothing";
const TASK: &str = "starts no task or thread, and waits for no time";
const CHANCE: &str = "draws from no random source but the one that comes in as a parameter";
const ORDER: &str = "keeps no map of random order: a `BTreeMap` has the same order every time";

/// Where a pure room may do what is otherwise forbidden, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "src/registry/builder.rs",
        "new_v4",
        "an id that the user did not choose",
    ),
    (
        "src/table/directory.rs",
        "HashTrieMapSync",
        "for look-ups by readers; sorted before it is shown",
    ),
];

/// The most lines of code in one file, not counting tests, comments and blank lines.
const CODE_LINES_MAX: usize = 400;

/// What is not left behind, in tests neither.
const LEFTOVERS: &[&str] = &["todo", "unimplemented", "dbg"];

/// A rule is broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// Everything that breaks a rule in sources of `src`.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let test_files = test_files(sources);
    let mut violations = Vec::new();
    for source in sources {
        leftovers(source, &mut violations);
        if test_files.iter().any(|test| source.path.starts_with(test)) {
            continue;
        }
        let mut report = |line, rule: String| {
            violations.push(Violation {
                path: source.path.clone(),
                line,
                rule,
            });
        };
        let tokens = tokens(&source.shipped);
        let named = named(&tokens);
        let code_lines = source
            .shipped
            .lines()
            .filter(|l| !l.trim().is_empty())
            .count();
        if code_lines > CODE_LINES_MAX {
            let rule = format!("{code_lines} lines of code, and a file has at most 400");
            report(code_lines, rule);
        }
        for name in &named {
            confined(source, name, &mut report);
        }
        match room_of(&source.path) {
            Some(room) => {
                for name in &named {
                    arrows(source, room, name, &mut report);
                }
                let is_world = room
                    .world
                    .iter()
                    .any(|place| source.path.starts_with(place));
                if room.pure && !is_world {
                    pure(source, room, &named, &tokens, &mut report);
                }
            }
            None if source.path == "src/lib.rs" => only_reexports(&tokens, &mut report),
            None => report(
                1,
                "no room of `ROOMS` in this test: add the room".to_owned(),
            ),
        }
    }
    violations
}

fn room_of(path: &str) -> Option<&'static Room> {
    let inner = path.strip_prefix("src/")?;
    let name = inner.split(['/', '.']).next()?;
    ROOMS.iter().find(|room| room.name == name)
}

/// The files, or the beginnings of their paths, that are only there for tests.
fn test_files(sources: &[Source]) -> Vec<String> {
    let of_source = |source: &Source| {
        let directory = match source.path.rsplit_once('/') {
            Some((directory, "mod.rs" | "lib.rs")) => directory.to_owned(),
            _ => source.path.trim_end_matches(".rs").to_owned(),
        };
        let files = |name: &String| [".rs", "/"].map(|end| format!("{directory}/{name}{end}"));
        source
            .test_modules
            .iter()
            .flat_map(files)
            .collect::<Vec<_>>()
    };
    sources.iter().flat_map(of_source).collect()
}

fn leftovers(source: &Source, violations: &mut Vec<Violation>) {
    let mut report = |line, rule| {
        violations.push(Violation {
            path: source.path.clone(),
            line,
            rule,
        });
    };
    let tokens = tokens(&source.code);
    for pair in tokens.windows(2) {
        if let [(Token::Ident(word), line), (Token::Other('!'), _)] = pair
            && LEFTOVERS.contains(&word.as_str())
        {
            report(*line, format!("`{word}!` is left behind"));
        }
    }
    for (line, text) in source.text.lines().enumerate() {
        if text.contains("#[ignore") {
            let rule = "a test that is not run proves nothing: mend it or take it out";
            report(line + 1, rule.to_owned());
        }
    }
}

fn confined(source: &Source, name: &Named, report: &mut impl FnMut(usize, String)) {
    let first = name.segments.first().map_or("", String::as_str);
    // A local of that name is no crate.
    let is_crate = name.segments.len() > 1 || name.exported;
    let places = CONFINED.iter().filter(|(krate, _)| first == *krate);
    let places: Vec<_> = places.map(|(_, place)| *place).collect();
    let is_allowed = places.iter().any(|place| source.path.starts_with(place));
    if is_crate && !places.is_empty() && !is_allowed {
        let places = places.join(", ");
        report(name.line, format!("`{first}` is named only in {places}"));
    }
    if name.exported && HIDDEN.contains(&first) {
        report(
            name.line,
            format!("the types of `{first}` never leave the room"),
        );
    }
}

fn arrows(source: &Source, room: &Room, name: &Named, report: &mut impl FnMut(usize, String)) {
    let supers = name.segments.iter().filter(|s| *s == "super").count();
    if supers >= source.depth() && supers > 0 {
        let rule = "leaves its room by `super`: say `crate::` and the room";
        return report(name.line, rule.to_owned());
    }
    let [first, other, ..] = &name.segments[..] else {
        return;
    };
    if first == "crate" && other != room.name && !room.uses.contains(&other.as_str()) {
        report(
            name.line,
            format!("`{}` may not use `crate::{other}`", room.name),
        );
    }
}

fn pure(
    source: &Source,
    room: &Room,
    named: &[Named],
    tokens: &[(Token, usize)],
    report: &mut impl FnMut(usize, String),
) {
    let excepted = |what: &str| {
        let here = |(path, name, _): &&(&str, &str, &str)| *path == source.path && *name == what;
        EXCEPTIONS.iter().any(|exception| here(&exception))
    };
    for name in named {
        let holds = |path: &[&str]| name.segments.windows(path.len()).any(|part| part == path);
        let impure = |(path, _): &&(&[&str], &str)| {
            holds(path) && !path.last().is_some_and(|last| excepted(last))
        };
        if let Some((_, rule)) = IMPURE.iter().find(impure) {
            let path = name.segments.join("::");
            report(name.line, format!("`{path}`: `{}` {rule}", room.name));
        }
    }
    for call in tokens.windows(2) {
        if let [(Token::Other('.'), _), (Token::Ident(method), line)] = call {
            for (_, rule) in IMPURE_METHODS.iter().filter(|(name, _)| name == method) {
                report(*line, format!("`.{method}`: `{}` {rule}", room.name));
            }
        }
    }
}

fn only_reexports(tokens: &[(Token, usize)], report: &mut impl FnMut(usize, String)) {
    const ITEMS: &[&str] = &[
        "fn",
        "struct",
        "enum",
        "union",
        "trait",
        "impl",
        "const",
        "static",
        "type",
        "macro_rules",
    ];
    for (token, line) in tokens {
        if let Token::Ident(word) = token
            && ITEMS.contains(&word.as_str())
        {
            report(
                *line,
                format!("`{word}`: lib.rs re-exports, and nothing else"),
            );
        }
    }
}
