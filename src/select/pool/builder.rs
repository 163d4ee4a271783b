//! How a pool is set up.

use std::sync::Arc;

use super::Pool;
use crate::registry::Endpoint;
use crate::select::filter::Filter;
use crate::select::{Scheme, Strategy};

/// Sets a [`Pool`] up; from [`Pool::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder<C = ()> {
    service: Arc<str>,
    scheme: Scheme,
    tls: bool,
    strategy: Strategy,
    filters: Vec<(Arc<str>, Box<dyn Filter>)>,
    connect: Box<dyn Fn(&Endpoint) -> C + Send + Sync>,
}

impl PoolBuilder {
    pub(super) fn new(service: Arc<str>, scheme: Scheme) -> Self {
        Self {
            service,
            scheme,
            tls: false,
            strategy: Strategy::default(),
            filters: Vec::new(),
            connect: Box::new(|_| ()),
        }
    }
}

impl<C> PoolBuilder<C> {
    /// Whether calls use TLS: then only endpoints of `grpcs` and `https` count, else only those of
    /// `grpc` and `http`. Default: no.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// How to pick. Default: [`Strategy::P2c`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Adds a filter, after those that were added before.
    pub fn filter(mut self, filter: impl Filter + 'static) -> Self {
        self.filters.push((filter.name().into(), Box::new(filter)));
        self
    }

    /// What to keep for each address, in place of an earlier `connections`. `connect` is called once
    /// for an address when it first becomes a candidate; what it made is
    /// [`Pick::connection`](crate::select::Pick::connection), survives updates, and is dropped when
    /// the list no longer names the address and the last call to it is over.
    ///
    /// It runs within [`Pool::update`], so it should not wait: a connection is best made by its first
    /// call. Default: nothing is kept.
    pub fn connections<D>(
        self,
        connect: impl Fn(&Endpoint) -> D + Send + Sync + 'static,
    ) -> PoolBuilder<D> {
        PoolBuilder {
            service: self.service,
            scheme: self.scheme,
            tls: self.tls,
            strategy: self.strategy,
            filters: self.filters,
            connect: Box::new(connect),
        }
    }

    /// The pool, empty.
    pub fn build(self) -> Pool<C> {
        Pool::empty(
            self.service,
            self.scheme.as_str(self.tls),
            self.strategy,
            self.filters,
            self.connect,
        )
    }
}
