//! The demo's vendors: two small companies whose data changes.

use std::{collections::HashMap, io, net::TcpListener, path::Path};

use uuid::Uuid;

use crate::{
    config::secrets::Secrets,
    simulator::{
        capillary::{Capillary, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        forest::Place,
        leadsquared::{
            LeadSquared,
            settings::{LeadSquaredSettings, ManagerColumn, Reach},
            world::LeadSquaredWorld,
        },
        shape::Tree,
        stage::Simulation,
    },
};

/// The limits that the demo's vendors enforce, and that hiersync is told.
pub const CAPILLARY_LIMIT: &str = "40/2s";
/// Likewise.
pub const LEADSQUARED_LIMIT: &str = "25/5s";

/// Both vendors.
pub struct Stage {
    /// Customers and their children.
    pub customers: Simulation<Capillary>,
    /// Users and who reports to them.
    pub users: Simulation<LeadSquared>,
}

impl Stage {
    /// Starts both.
    pub async fn set() -> io::Result<Self> {
        let customers = CapillaryWorld::grow(Tree { nodes: 400, levels: 4, seed: 7 });
        let users = LeadSquaredWorld::grow(Tree { nodes: 60, levels: 3, seed: 7 });
        let settings = LeadSquaredSettings {
            reach: Reach::Direct,
            manager_column: ManagerColumn::Given,
            own_row: true,
            ..LeadSquaredSettings::default()
        };
        let stage = Self {
            customers: Simulation::start(customers, CapillarySettings { own_row: true, ..CapillarySettings::default() }).await?,
            users: Simulation::start(users, settings).await?,
        };
        stage.customers.door().set_limits(&CAPILLARY_LIMIT.parse().into_iter().collect::<Vec<_>>());
        stage.users.door().set_limits(&LEADSQUARED_LIMIT.parse().into_iter().collect::<Vec<_>>());
        Ok(stage)
    }

    /// The config, as a person would write it.
    pub fn config(&self, folder: &Path) -> String {
        let (customers, users) = (self.customers.world(), self.users.world());
        let identifier =
            customers.roots().first().and_then(|root| customers.identifier(*root, &["mobile", "externalId", "email", "cardnumber"]));
        let (kind, value) = identifier.unwrap_or_default();
        let user = users.roots().first().copied().unwrap_or_default();
        let path = self.users.settings().hierarchy_path.clone();
        format!(
            r#"
[database]
dir = "{dir}"

[daemon]
listen = "{listen}"

[[source]]
name = "customers"
vendor = "capillary"
base_url = "{customers_at}"
auth = "basic"
till = "demo.till"
roots = [{{ type = "{kind}", value = "{value}" }}]
limits = ["{CAPILLARY_LIMIT}"]
page_size = 50
schedule = "*/20 * * * * *"

[[source]]
name = "sales"
vendor = "leadsquared"
base_url = "{users_at}"
hierarchy_path = "{path}"
roots = ["{user}"]
columns = ["Designation", "ModifiedOn"]
limits = ["{LEADSQUARED_LIMIT}"]
schedule = "*/30 * * * * *"
"#,
            dir = folder.join("postgres").display(),
            listen = free_address(),
            customers_at = self.customers.base_url(),
            users_at = self.users.base_url(),
        )
    }

    /// What the simulated vendors let in.
    pub fn secrets() -> Secrets {
        let keys = LeadSquaredSettings::default();
        let secrets = [
            ("HIERSYNC_CUSTOMERS_PASSWORD", "till-pass".to_owned()),
            ("HIERSYNC_SALES_ACCESS_KEY", keys.access_key),
            ("HIERSYNC_SALES_SECRET_KEY", keys.secret_key),
        ];
        Secrets::new(None, secrets.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<HashMap<_, _>>())
    }

    /// Changes both companies, and tells what was done.
    pub fn change(&self) -> Vec<String> {
        let mut told = self.change_customers();
        told.extend(self.change_users());
        told
    }

    fn change_customers(&self) -> Vec<String> {
        let mut world = self.customers.world();
        let Some(root) = world.roots().first().copied() else { return Vec::new() };
        let heads: Vec<i64> = world.children(root).iter().copied().filter(|id| !world.children(*id).is_empty()).collect();
        let leaves: Vec<i64> = world.below(root).into_iter().filter(|id| world.children(*id).is_empty()).collect();
        let (Some(from), Some(to), [renamed, silent, gone, .., moved]) = (heads.first(), heads.last(), leaves.as_slice()) else {
            return Vec::new();
        };
        let (renamed, silent, gone, moved) = (*renamed, *silent, *gone, *moved);
        let new = world.insert(*from, Place::First);
        world.rename(renamed, "Asha", Stamp::Bump);
        world.rename(silent, "Noor", Stamp::Keep);
        world.move_to(moved, *to, Place::Last, Stamp::Bump);
        world.delete(gone);
        vec![
            format!("customer {new} is new below {from}"),
            format!("customer {renamed} is renamed, with a newer autoUpdateTime"),
            format!("customer {silent} is renamed, without one"),
            format!("customer {moved} moves to parent {to}"),
            format!("customer {gone} is gone"),
        ]
    }

    fn change_users(&self) -> Vec<String> {
        let mut world = self.users.world();
        let Some(root) = world.roots().first().copied() else { return Vec::new() };
        let managers: Vec<Uuid> = world.reports(root).iter().copied().filter(|id| !world.reports(*id).is_empty()).collect();
        let below = world.below(root);
        let (Some(manager), Some(left), Some(moved)) = (managers.first(), below.first(), below.last()) else { return Vec::new() };
        let (manager, left, moved) = (*manager, *left, *moved);
        world.set_active(left, false, Stamp::Bump);
        world.change_manager(moved, manager, Place::Last, Stamp::Bump);
        vec![format!("user {left} becomes inactive"), format!("user {moved} now reports to {manager}")]
    }

    /// A little more of life, for a demo that is kept.
    pub fn live(&self) {
        let seed = u64::try_from(crate::clock::now().timestamp()).unwrap_or(1);
        self.customers.world().mutate(0.01, seed);
        self.users.world().mutate(0.02, seed);
    }
}

/// The page's usual address, or another where a daemon has it.
fn free_address() -> String {
    let bound = TcpListener::bind("127.0.0.1:9187").or_else(|_| TcpListener::bind("127.0.0.1:0"));
    bound.and_then(|listener| listener.local_addr()).map_or_else(|_| String::new(), |address| address.to_string())
}
