//! foca, and what it asks for while it works.

use std::{num::NonZeroU8, num::NonZeroUsize, time::Duration};

use foca::{Foca, NoCustomBroadcast, Notification, OwnedNotification, PeriodicParams, Timer};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    Config,
    identity::PeerId,
    wire::{
        frame,
        swim::{HEAD_BYTES, SwimCodec},
    },
};

/// The most that a [`SwimHead`](super::wire::message::SwimHead) takes.
pub(super) const SWIM_HEAD_MAX_BYTES: usize = 5 + 1 + (1 + 16 + 3) + 4;

pub(super) type Swim = Foca<PeerId, SwimCodec, StdRng, NoCustomBroadcast>;

/// One thing that foca asked for.
#[derive(Debug)]
pub(super) enum Effect {
    Send(PeerId, Vec<u8>),
    Schedule(Timer<PeerId>, Duration),
    Notify(OwnedNotification<PeerId>),
}

/// Collects what foca asks for, in order. The engine does it as soon as foca has returned.
#[derive(Debug, Default)]
pub(super) struct Effects(pub(super) Vec<Effect>);

impl foca::Runtime<PeerId> for Effects {
    fn notify(&mut self, notification: Notification<'_, PeerId>) {
        self.0.push(Effect::Notify(notification.to_owned()));
    }

    fn send_to(&mut self, to: PeerId, data: &[u8]) {
        self.0.push(Effect::Send(to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<PeerId>, after: Duration) {
        self.0.push(Effect::Schedule(event, after));
    }
}

pub(super) fn swim(config: &Config, me: PeerId, seed: [u8; 32]) -> Swim {
    let rng = StdRng::from_seed(seed);
    Foca::new(me, foca_config(config, 1), rng, SwimCodec::default())
}

/// foca's configuration for a cluster of `n`. What the engine does itself is off: the periodic
/// announces (each answer is a full packet) and the calls to the dead.
pub(super) fn foca_config(config: &Config, n: usize) -> foca::Config {
    let fanout = NonZeroUsize::new(config.fanout.into()).expect("validated");
    let payload = frame::payload_budget(config.max_datagram);
    let packet = payload - SWIM_HEAD_MAX_BYTES + HEAD_BYTES;
    foca::Config {
        probe_period: config.probe_period,
        probe_rtt: config.probe_timeout,
        num_indirect_probes: NonZeroUsize::new(config.indirect_probes.into()).expect("validated"),
        max_transmissions: NonZeroU8::new(config.copies(n)).expect("at least 1"),
        // Informative only: the engine keeps the timers of suspicions itself.
        suspect_to_down_after: config.suspicion_timeout(n),
        remove_down_after: Some(config.remember_down),
        max_packet_size: NonZeroUsize::new(packet).expect("checked by validate"),
        notify_down_members: true,
        periodic_announce: None,
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(PeriodicParams {
            frequency: config.gossip_interval,
            num_members: fanout,
        }),
    }
}

#[cfg(test)]
mod tests {
    use foca::Codec;

    use super::*;

    #[test]
    fn trap_14_an_identity_always_fits_a_packet() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
            .parse()
            .unwrap();
        let id = PeerId {
            addr: longest,
            boot: u64::MAX,
            renewal: u32::MAX,
        };
        let config = Config::lan("shop", longest);
        let room = foca_config(&config, 1).max_packet_size.get();
        let message = foca::Message::PingReq {
            target: id,
            probe_number: u8::MAX,
        };
        let header = foca::Header {
            src: id,
            src_incarnation: u16::MAX,
            dst: id,
            message,
        };
        let mut bytes = Vec::new();
        SwimCodec::default()
            .encode_header(&header, &mut bytes)
            .unwrap();
        assert!(bytes.len() + 100 < room, "{} of {room}", bytes.len());
    }
}
