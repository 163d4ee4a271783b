//! What is counted, against what the allocator is asked for.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use crate::{
    registry::ServiceInstance,
    table::{Applied, Directory, Instant, Limits, Owner, Record, Replica},
};

/// A table to fill.
struct Shape {
    name: &'static str,
    owners: u16,
    services: usize,
    instances: usize,
    pairs: usize,
    value_bytes: usize,
    endpoints: usize,
}

fn instance(shape: &Shape, service: &str, id: &str) -> ServiceInstance {
    let mut builder = ServiceInstance::builder(service).id(id).version("1.4.2");
    for n in 0..shape.endpoints {
        builder = builder.endpoint(format!("http://10.0.0.9:{}", 8_000 + n));
    }
    for n in 0..shape.pairs {
        builder = builder.metadata(format!("key-{n:02}"), "v".repeat(shape.value_bytes));
    }
    builder.build().unwrap()
}

/// A record as one that has come over the wire is made: what it was read from is gone afterwards.
fn record(shape: &Shape, owner: Owner, service: usize) -> Record {
    let service = format!("service-{service:04}");
    let instances: Vec<_> = (0..shape.instances)
        .map(|n| format!("{}-{n}", owner.addr.port()))
        .map(|id| std::sync::Arc::new(instance(shape, &service, &id)))
        .collect();
    // The texts of the instances, and a few bytes around each.
    let texts = |i: &ServiceInstance| {
        let pairs = i.metadata().iter().map(|(k, v)| k.len() + v.len() + 3);
        let endpoints = i.endpoints().iter().map(|e| e.as_str().len() + 1);
        i.id().len() + i.version().len() + pairs.sum::<usize>() + endpoints.sum::<usize>() + 6
    };
    let content = vec![7; instances.iter().map(|i| texts(i)).sum()];
    let content = Bytes::copy_from_slice(&content);
    Record::new(owner, service.into(), 1, content, instances)
}

/// What is counted of a table of that shape, and what was allocated for it.
fn counted_and_allocated(shape: &Shape) -> (usize, usize) {
    let mut replica = Replica::new(Limits::default());
    let directory = Directory::new();
    let now = Instant::from_origin(Duration::ZERO);
    let used = allocation_counter::measure(|| {
        for port in 1..=shape.owners {
            let owner = Owner {
                addr: SocketAddr::from(([10, 0, 0, 1], port)),
                boot: 1,
            };
            replica.owner_up(owner);
            for service in 0..shape.services {
                let applied = replica.apply(now, record(shape, owner, service));
                assert_eq!(applied, Applied::New);
            }
        }
        replica.publish(&directory);
        drop(replica.take_events());
    });
    (
        replica.size().1,
        usize::try_from(used.bytes_current).unwrap(),
    )
}

#[test]
fn what_is_counted_is_within_15_percent_of_what_is_allocated() {
    let small = Shape {
        name: "many small ones",
        owners: 1_000,
        services: 5,
        instances: 1,
        pairs: 0,
        value_bytes: 0,
        endpoints: 1,
    };
    let shapes = [
        Shape {
            name: "usual ones",
            pairs: 3,
            value_bytes: 12,
            endpoints: 2,
            ..small
        },
        Shape {
            name: "few large ones",
            owners: 20,
            services: 2,
            instances: 60,
            pairs: 4,
            value_bytes: 60,
            ..small
        },
        Shape {
            name: "much metadata",
            owners: 200,
            services: 3,
            pairs: 64,
            value_bytes: 200,
            ..small
        },
        Shape {
            name: "many pairs",
            owners: 200,
            services: 3,
            pairs: 20,
            value_bytes: 8,
            ..small
        },
        Shape {
            name: "many endpoints",
            owners: 200,
            services: 3,
            endpoints: 32,
            ..small
        },
        Shape {
            name: "one service",
            owners: 5_000,
            services: 1,
            ..small
        },
        small,
    ];
    for shape in &shapes {
        let (counted, allocated) = counted_and_allocated(shape);
        let percent = counted * 100 / allocated;
        assert!((85..=115).contains(&percent), "{}: {percent}%", shape.name);
    }
}

/// The worst that there is: nobody else has a service of that name, and it has one small instance.
#[test]
fn services_of_one_instance_each_cost_at_most_twice_what_is_counted_and_a_tenth() {
    let alone = Shape {
        name: "a name for each",
        owners: 1,
        services: 1_000,
        instances: 1,
        pairs: 0,
        value_bytes: 0,
        endpoints: 1,
    };
    let (counted, allocated) = counted_and_allocated(&alone);
    assert!(allocated * 10 < counted * 21, "{counted} of {allocated}");
}
