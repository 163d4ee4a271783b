//! Who can be picked, and what lasts of it.

use std::sync::Arc;

use super::load::{Cost, Load, Moment};
use crate::registry::{Endpoint, ServiceInstance};

/// The metadata key of weights.
const WEIGHT: &str = "weight";
/// What an instance without a weight has.
const WEIGHT_DEFAULT: u16 = 100;

/// An address: there is one as long as the list names it, whatever else changes.
pub(super) struct Backend<C> {
    pub(super) address: Arc<str>,
    pub(super) connection: C,
    pub(super) load: Load,
}

/// An address together with the instance that is there now. Immutable: a changed instance is a new
/// candidate with the same backend.
pub(super) struct Candidate<C> {
    pub(super) instance: Arc<ServiceInstance>,
    endpoint: usize,
    pub(super) weight: u16,
    pub(super) backend: Arc<Backend<C>>,
}

/// An instance that is up, with the endpoint to call it at.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) instance: &'a Arc<ServiceInstance>,
    endpoint: usize,
}

impl<'a> Found<'a> {
    /// The first endpoint of the scheme that can be called; none if there is no such.
    pub(super) fn new(instance: &'a Arc<ServiceInstance>, scheme: &str) -> Option<Self> {
        let wished =
            |endpoint: &Endpoint| endpoint.scheme() == scheme && !endpoint.is_unspecified();
        let endpoint = instance.endpoints().iter().position(wished)?;
        Some(Self { instance, endpoint })
    }

    pub(super) fn endpoint(&self) -> &'a Endpoint {
        &self.instance.endpoints()[self.endpoint]
    }

    pub(super) fn address(&self) -> &'a str {
        self.endpoint().authority()
    }

    /// The weight, up to 65,535; [`WEIGHT_DEFAULT`] without one. What is no number is an `Err` with
    /// the text.
    pub(super) fn weight(&self) -> Result<u16, &'a str> {
        let Some(text) = self.instance.metadata().get(WEIGHT) else {
            return Ok(WEIGHT_DEFAULT);
        };
        match text.trim().parse::<u64>() {
            Ok(weight) => Ok(u16::try_from(weight).unwrap_or(u16::MAX)),
            Err(_) => Err(text),
        }
    }

    pub(super) fn weight_or_default(&self) -> u16 {
        self.weight().unwrap_or(WEIGHT_DEFAULT)
    }
}

impl<C> Backend<C> {
    pub(super) fn new(address: &str, connection: C) -> Self {
        Self {
            address: address.into(),
            connection,
            load: Load::new(),
        }
    }
}

impl<C> Candidate<C> {
    pub(super) fn new(found: Found<'_>, backend: Arc<Backend<C>>) -> Self {
        Self {
            instance: Arc::clone(found.instance),
            endpoint: found.endpoint,
            weight: found.weight_or_default(),
            backend,
        }
    }

    /// Whether it stands for what was found, so that it can be kept as it is.
    pub(super) fn is(&self, found: Found<'_>) -> bool {
        Arc::ptr_eq(&self.instance, found.instance)
            || (self.instance == *found.instance && self.endpoint() == found.endpoint())
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.instance.endpoints()[self.endpoint]
    }

    pub(super) fn cost(&self, now: Moment) -> Cost {
        self.backend.load.cost(now, self.weight)
    }
}
