//! The command `simulations`; see [`simulations::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    simulations::cli::main()
}
