//! In work.
/// In work.
pub fn page(_: &crate::outcome::Outcome, _: &crate::outcome::Recording) -> String {
    String::new()
}
