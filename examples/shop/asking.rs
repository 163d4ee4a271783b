//! What the examples of clients have in common: they ask again and again.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use crate::shop::Arguments;

/// How long a client waits between two calls, from `--every-ms`.
pub(crate) fn every(arguments: &Arguments) -> Result<Duration, Box<dyn Error>> {
    let millis = arguments.get("--every-ms", "500").parse();
    let millis = millis.ok().filter(|millis| *millis > 0);
    let millis = millis.ok_or("--every-ms: a number of milliseconds, from 1")?;
    Ok(Duration::from_millis(millis))
}

/// What a client does: calls `ask` at even times, with a number that grows, and prints what comes of it, until Ctrl-C.
pub(crate) async fn keep_asking(
    every: Duration,
    ask: impl AsyncFn(u64) -> Result<String, String>,
) -> Result<(), Box<dyn Error>> {
    let mut pace = tokio::time::interval(every);
    // One for all turns: one that is made anew in each hears nothing while a call is waited for.
    let mut stop = pin!(tokio::signal::ctrl_c());
    for number in 1.. {
        tokio::select! {
            biased;
            heard = &mut stop => return Ok(heard?),
            _ = pace.tick() => match ask(number).await {
                Ok(answer) => println!("{answer}"),
                Err(why) => println!("failed: {why}"),
            }
        }
    }
    Ok(())
}
