//! What every backend must do, as functions over the ports.
//!
//! A backend stamps each suite into a module of its tests: `catalog_suite!(open)`, `log_suite!(open)`, where `open` is an
//! async function that gives an empty store as `Some((guard, Stores))`, or nothing where its server is not installed. The
//! guard lives as long as the test.

pub(crate) mod catalog;
pub(crate) mod expire;
pub(crate) mod fixture;
pub(crate) mod log;
pub(crate) mod rollups;
pub(crate) mod search;
pub(crate) mod sums;
pub(crate) mod trail;

macro_rules! stamp {
    ($role:ident, $suite:ident, $open:path: $($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            let Some((_guard, stores)) = $open().await else { return };
            $crate::conformance::$suite::$name(stores.$role.as_ref()).await;
            stores.close().await;
        }
    )*};
}
pub(crate) use stamp;
