//! Files that a user names.

use std::{fs::File, io::Read, path::Path};

use super::Failure;

/// The largest file that is read: a result or a scenario of the largest world is a hundredth of it.
const BYTES_MAX: u64 = 64 << 20;

/// The text of a file, which is not read beyond [`BYTES_MAX`], whatever it is: a device has no size.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let refused = |why: String| Failure::Bad(format!("cannot read {shown}: {why}"));
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        let mib = BYTES_MAX >> 20;
        return Err(refused(format!("it is larger than {mib} MiB")));
    }
    String::from_utf8(bytes).map_err(|_| refused("it is no text in UTF-8".to_owned()))
}
