//! A list of instances, shared by all who read it.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use super::ServiceInstance;

static EMPTY: LazyLock<Arc<[Arc<ServiceInstance>]>> = LazyLock::new(|| Arc::new([]));

/// The instances of one service at one moment: immutable, shared, and always in the order of their
/// ids.
///
/// Cloning it copies a pointer. It derefs to a slice, so it has `len`, `iter` and the rest. An
/// empty one allocates nothing. Instances with the same id (of different processes) stand in the
/// order in which they were collected.
///
/// A list may be [stale](Self::is_stale): some of it is remembered from an earlier run and nobody has confirmed it
/// yet. It is used like any other; whoever wants to treat it differently can tell.
#[derive(Clone)]
pub struct Instances {
    list: Arc<[Arc<ServiceInstance>]>,
    is_stale: bool,
}

impl Instances {
    /// The empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether some of these are remembered from an earlier run of the process, and no live member of the cluster has
    /// confirmed them. They may be gone, or be somebody else's address by now. Never so for an empty list.
    pub const fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// The same list, marked as [stale](Self::is_stale); an empty one stays as it is.
    #[must_use]
    pub fn into_stale(mut self) -> Self {
        self.is_stale = !self.list.is_empty();
        self
    }

    /// Whether both are the very same list in memory. Equal lists need not be.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list)
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            list: Arc::clone(&EMPTY),
            is_stale: false,
        }
    }
}

impl From<Vec<Arc<ServiceInstance>>> for Instances {
    /// Sorts by id, stably; a list that is in order already costs one pass.
    fn from(mut instances: Vec<Arc<ServiceInstance>>) -> Self {
        if instances.is_empty() {
            return Self::default();
        }
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        Self {
            list: instances.into(),
            is_stale: false,
        }
    }
}

impl FromIterator<Arc<ServiceInstance>> for Instances {
    fn from_iter<I: IntoIterator<Item = Arc<ServiceInstance>>>(instances: I) -> Self {
        Vec::from_iter(instances).into()
    }
}

impl FromIterator<ServiceInstance> for Instances {
    fn from_iter<I: IntoIterator<Item = ServiceInstance>>(instances: I) -> Self {
        instances.into_iter().map(Arc::new).collect()
    }
}

impl Deref for Instances {
    type Target = [Arc<ServiceInstance>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Instances {
    type Item = &'a Arc<ServiceInstance>;
    type IntoIter = std::slice::Iter<'a, Arc<ServiceInstance>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl PartialEq for Instances {
    /// By content, and by whether it is stale: that a list was confirmed is news, also when it turned out to be right.
    /// A shared instance is not looked into.
    fn eq(&self, other: &Self) -> bool {
        self.is_stale == other.is_stale && (self.ptr_eq(other) || self.list == other.list)
    }
}

impl Eq for Instances {}

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, version: &str) -> ServiceInstance {
        ServiceInstance::builder("user-service")
            .id(id)
            .version(version)
            .build()
            .unwrap()
    }

    #[test]
    fn a_list_is_in_the_order_of_ids() {
        let list = Instances::from_iter([instance("b", ""), instance("c", ""), instance("a", "")]);
        let ids: Vec<_> = list.iter().map(|instance| instance.id()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn instances_of_one_id_keep_the_order_in_which_they_came() {
        let list =
            Instances::from_iter([instance("b", "2"), instance("b", "1"), instance("a", "")]);
        let versions: Vec<_> = list.iter().map(|instance| instance.version()).collect();
        assert_eq!(versions, ["", "2", "1"]);
    }

    #[test]
    fn all_empty_lists_are_one() {
        assert!(Instances::new().ptr_eq(&Instances::from(Vec::new())));
    }

    #[test]
    fn lists_are_equal_by_content() {
        let a = Instances::from_iter([instance("a", "1")]);
        assert_eq!(a, Instances::from_iter([instance("a", "1")]));
        assert_ne!(a, Instances::from_iter([instance("a", "2")]));
        assert_ne!(a, Instances::new());
    }

    #[test]
    fn a_stale_list_differs_from_the_same_list_confirmed() {
        let confirmed = Instances::from_iter([instance("a", "1")]);
        let stale = confirmed.clone().into_stale();
        assert!(stale.is_stale() && !confirmed.is_stale());
        assert_ne!(stale, confirmed);
        assert!(stale.ptr_eq(&confirmed));
    }

    #[test]
    fn an_empty_list_is_never_stale() {
        assert!(!Instances::new().into_stale().is_stale());
    }
}
