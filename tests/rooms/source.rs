//! Rust source, as far as the rules have to understand it: without comments, strings and tests, as
//! tokens, and as the paths that it names.

/// A source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the package: `src/gossip/mod.rs`.
    pub(crate) path: String,
    /// As it was written.
    pub(crate) text: String,
    /// Comments, and the contents of strings and character literals, are blanks.
    pub(crate) code: String,
    /// The same without items that are only there for tests (`cfg(test)`, `cfg(doctest)`).
    pub(crate) shipped: String,
    /// Modules that are only there for tests, and in files of their own.
    pub(crate) test_modules: Vec<String>,
}

/// A path that the code names, or one leaf of a `use` declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// It stands in a `pub use`.
    pub(crate) exported: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Ident(String),
    /// `::`
    Sep,
    Other(char),
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = without_comments_and_strings(text);
        let (shipped, test_modules) = without_tests(&code);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            shipped,
            test_modules,
        }
    }

    /// How many `super`s lead from this file's module out of its room: the depth of the module.
    pub(crate) fn depth(&self) -> usize {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let parts: Vec<_> = inner.split('/').collect();
        match parts.last() {
            Some(&"lib") => 0,
            Some(&"mod") => parts.len() - 1,
            _ => parts.len(),
        }
    }
}

/// Each token with the line that it stands on, counted from 1.
pub(crate) fn tokens(code: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        } else if c.is_alphabetic() || c == '_' {
            let mut ident = String::from(c);
            while let Some(more) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                ident.push(more);
            }
            tokens.push((Token::Ident(ident), line));
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push((Token::Sep, line));
        } else if !c.is_whitespace() {
            tokens.push((Token::Other(c), line));
        }
    }
    tokens
}

/// Every path of the code; a `use` of a tree gives one for each leaf.
pub(crate) fn named(tokens: &[(Token, usize)]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut at = 0;
    while let Some((token, line)) = tokens.get(at) {
        match token {
            Token::Ident(word) if word == "use" => {
                let exported = at > 0 && tokens[at - 1].0 == Token::Ident("pub".to_owned());
                at += 1;
                use_tree(tokens, &mut at, &[], exported, &mut named);
            }
            Token::Ident(word) if begins_path(tokens, at) => {
                let mut segments = vec![word.clone()];
                while let [(Token::Sep, _), (Token::Ident(next), _), ..] = &tokens[at + 1..] {
                    segments.push(next.clone());
                    at += 2;
                }
                named.push(Named {
                    segments,
                    line: *line,
                    exported: false,
                });
                at += 1;
            }
            _ => at += 1,
        }
    }
    named
}

/// Not a field or a method, and not what follows a type's parameters.
fn begins_path(tokens: &[(Token, usize)], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|i| &tokens[i].0);
    match before(1) {
        Some(Token::Other('.')) => matches!(before(2), Some(Token::Other('.'))),
        Some(Token::Sep) => !matches!(before(2), Some(Token::Ident(_) | Token::Other('>' | '<'))),
        _ => true,
    }
}

fn use_tree(
    tokens: &[(Token, usize)],
    at: &mut usize,
    prefix: &[String],
    exported: bool,
    named: &mut Vec<Named>,
) {
    let mut segments = prefix.to_vec();
    let line = tokens.get(*at).map_or(0, |(_, line)| *line);
    while let Some((token, _)) = tokens.get(*at) {
        match token {
            Token::Ident(word) if word == "as" => *at += 2,
            Token::Ident(word) => {
                segments.push(word.clone());
                *at += 1;
            }
            Token::Sep => *at += 1,
            Token::Other('*') => {
                segments.push("*".to_owned());
                *at += 1;
            }
            Token::Other('{') => {
                *at += 1;
                while tokens
                    .get(*at)
                    .is_some_and(|(t, _)| *t != Token::Other('}'))
                {
                    use_tree(tokens, at, &segments, exported, named);
                    if tokens
                        .get(*at)
                        .is_some_and(|(t, _)| *t == Token::Other(','))
                    {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            Token::Other(_) => break,
        }
    }
    named.push(Named {
        segments,
        line,
        exported,
    });
}

/// Blanks for comments and for what is within quotes; every line keeps its place.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at..] {
            ['/', '/', ..] => line_comment(&chars, at),
            ['/', '*', ..] => block_comment(&chars, at),
            ['"', ..] => quoted(&chars, at + 1, '"'),
            ['r', '"' | '#', ..] if !in_word(&chars, at) => raw_string(&chars, at),
            ['b', 'r', '"' | '#', ..] if !in_word(&chars, at) => raw_string(&chars, at + 1),
            ['\'', '\\', ..] => quoted(&chars, at + 1, '\''),
            ['\'', _, '\'', ..] => at + 3,
            _ => {
                out.push(chars[at]);
                at += 1;
                continue;
            }
        };
        for c in &chars[at..end.min(chars.len())] {
            out.push(if *c == '\n' { '\n' } else { ' ' });
        }
        at = end;
    }
    out
}

fn in_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn line_comment(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|c| **c != '\n').count()
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let start = at + 1 + hashes;
    if chars.get(start) != Some(&'"') {
        return at + 1; // a raw identifier
    }
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = &chars[start + 1..];
    let length = body.windows(end.len()).position(|w| w == end);
    start + 1 + length.unwrap_or(body.len()) + end.len()
}

/// How an item begins that only a test build has.
const TEST_ONLY: [&str; 3] = ["#[cfg(test)]", "#[cfg(doctest)]", "#[cfg(all(doctest,"];

/// Blanks for each such item; and the modules among them that are files.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut out: Vec<char> = code.chars().collect();
    let mut modules = Vec::new();
    let all: Vec<char> = out.clone();
    for mark in TEST_ONLY {
        let mark: Vec<char> = mark.chars().collect();
        let mut at = 0;
        while at + mark.len() <= all.len() {
            if all[at..at + mark.len()] != mark[..] {
                at += 1;
                continue;
            }
            let end = item_end(&all, at + mark.len());
            let item: String = all[at + mark.len()..end].iter().collect();
            if let Some(name) = item
                .trim()
                .strip_prefix("mod ")
                .and_then(|m| m.strip_suffix(';'))
            {
                modules.push(name.trim().to_owned());
            }
            for c in out[at..end].iter_mut().filter(|c| **c != '\n') {
                *c = ' ';
            }
            at = end;
        }
    }
    (out.into_iter().collect(), modules)
}

/// An item ends with the brace that closes its body, or with a semicolon before there is one.
fn item_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in chars.iter().enumerate().skip(from) {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *c == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    chars.len()
}
