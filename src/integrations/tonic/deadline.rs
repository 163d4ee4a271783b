//! The caller's time for a call.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;
use tonic::Status;

use crate::balance::Call;

/// Its name is checked when this is compiled, and not for each call.
static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// The longest that counts; longer ones are as good as none.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The caller's time for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    timeout: Duration,
    pub(super) at: Instant,
}

impl Deadline {
    pub(super) fn is_over(self) -> bool {
        self.at <= Instant::now()
    }

    /// Nobody was asked.
    pub(super) fn unsent(self, service: &str) -> Status {
        Status::deadline_exceeded(format!(
            "a call of service `{service}` was sent to nobody within the caller's timeout of {} ms",
            self.timeout.as_millis()
        ))
    }
}

/// When the call has to have an answer, by its `grpc-timeout`: at most eight digits and a unit
/// (gRPC over HTTP/2, "Requests"). A header that is none does not count, as in tonic.
pub(super) fn of(headers: &HeaderMap) -> Option<Deadline> {
    let text = headers.get(&TIMEOUT)?.to_str().ok()?;
    let (value, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if value.len() > 8 {
        return None;
    }
    let value: u64 = value.parse().ok()?;
    let timeout = match unit {
        "H" => Duration::from_secs(value * 60 * 60),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    };
    let timeout = timeout.min(LONGEST);
    let at = Instant::now() + timeout;
    Some(Deadline { timeout, at })
}

/// Says how much time is left: a later try has less of it.
pub(super) fn tell(headers: &mut HeaderMap, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    let units = [
        (left.as_micros(), 'u'),
        (left.as_millis(), 'm'),
        (left.as_secs().into(), 'S'),
    ];
    let of_eight_digits = units.iter().find(|(value, _)| *value <= 99_999_999);
    let told = of_eight_digits.and_then(|(value, unit)| format!("{value}{unit}").parse().ok());
    if let Some(told) = told {
        headers.insert(&TIMEOUT, told);
    }
}

/// There was no answer to this call. Without a deadline it is the endpoint's own timeout that was over.
pub(super) fn exceeded<C>(call: &Call<C>, deadline: Option<Deadline>) -> Status {
    let (instance, address) = (call.instance(), call.address());
    let waited = call.began().elapsed().as_millis();
    let limit = match deadline {
        Some(deadline) => {
            let timeout = deadline.timeout.as_millis();
            format!("when the caller's timeout of {timeout} ms was over")
        }
        None => "the timeout of the attempt, which was set by `endpoint`".to_owned(),
    };
    Status::deadline_exceeded(format!(
        "instance `{instance}` at {address} sent no answer within {waited} ms, {limit}"
    ))
}

/// There was no connection within this time.
pub(super) fn unconnected<C>(call: &Call<C>, connect_timeout: Duration) -> Status {
    let (instance, address) = (call.instance(), call.address());
    let timeout = connect_timeout.as_millis();
    Status::unavailable(format!(
        "instance `{instance}` at {address} accepted no connection within {timeout} ms, the channel's \
         `connect_timeout`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", value.parse().unwrap());
        let now = Instant::now();
        of(&headers).map(|deadline| deadline.at - now)
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(timeout("90S"), Some(Duration::from_secs(90)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(timeout("99999999H"), Some(LONGEST));
        for none in ["", "S", "1", "1x", "123456789S", "-1S"] {
            assert_eq!(timeout(none), None, "{none:?}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_told_in_the_finest_unit_of_eight_digits() {
        for (left, told) in [
            (Duration::from_millis(250), "250000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (LONGEST, "31536000S"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", "1H".parse().unwrap());
            tell(&mut headers, Instant::now() + left);
            assert_eq!(headers["grpc-timeout"], told);
            assert_eq!(
                of(&headers).map(|told| told.at),
                Some(Instant::now() + left)
            );
        }
    }
}
