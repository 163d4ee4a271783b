//! What is not let in, or not heard, takes nobody's turn and changes nothing about a live member.

use super::*;

/// Hands the node on `to` what `say` makes the node on `from` send.
fn say(world: &mut World, from: u16, to: u16, say: impl FnOnce(&mut Engine, Now)) {
    let said = world.with(from, |engine, now| {
        say(engine, now);
        std::mem::take(&mut engine.transmits)
    });
    for datagram in said {
        world.with(to, |engine, now| {
            engine.handle_datagram(now, addr(from), &datagram.payload);
        });
    }
}

/// As many identities on the address of `id` as are let in in a row.
fn many_after(id: PeerId) -> Vec<foca::Member<PeerId>> {
    let ids = (1..=8).map(|n| PeerId {
        boot: id.boot + n,
        ..id
    });
    ids.map(foca::Member::alive).collect()
}

/// Starts the process on port 2 anew, and says whether the node on port 1 lets it in at once.
fn a_restart_is_let_in(world: &mut World) -> bool {
    world.crash(2);
    world.run(ms(50));
    world.start(2, &[1]);
    let known = |world: &World| {
        let peer = world.engine(1).members.get(addr(2)).copied();
        peer.is_some_and(|peer| peer.id == world.engine(2).identity())
    };
    world.until(secs(1), known).is_some() && world.engine(1).stats().at_limit.boots == 0
}

#[test]
fn what_one_that_is_held_dead_says_of_others_takes_nobodys_turn() {
    let mut world = World::cluster(1, 4);
    world.run(secs(5));
    let mut dead = world.nodes.remove(&addr(4)).unwrap().engine;
    let gone = |world: &World| !world.engine(1).members.is_active(addr(4));
    world.until(secs(60), gone).unwrap();
    let (to, victim) = (world.engine(1).me, world.engine(2).me);
    let now = world.time(0);
    dead.transmits.clear();
    dead.send_swim_of_ours(now, to, foca::Message::Gossip, many_after(victim));
    let gossip = dead.transmits.pop_back().unwrap();
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(4), &gossip.payload);
    });
    assert_eq!(world.engine(1).members.get(addr(2)).unwrap().id, victim);
    assert!(a_restart_is_let_in(&mut world));
}

#[test]
fn a_packet_that_is_dropped_for_word_of_a_rival_takes_nobodys_turn() {
    let mut world = World::cluster(2, 4);
    world.run(secs(5));
    let (me, victim) = (world.engine(1).me, world.engine(2).me);
    let rival = PeerId {
        boot: me.boot + (5 << 20),
        ..me
    };
    say(&mut world, 3, 1, |engine, now| {
        let mut updates = many_after(victim);
        updates.push(foca::Member::alive(rival));
        engine.send_swim_of_ours(now, me, foca::Message::Gossip, updates);
    });
    assert!(world.engine(1).me.supersedes(&rival));
    assert_eq!(world.engine(1).members.get(addr(2)).unwrap().id, victim);
    assert!(a_restart_is_let_in(&mut world));
}
