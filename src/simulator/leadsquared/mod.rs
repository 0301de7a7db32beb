//! LeadSquared on loopback: Get User Hierarchy Information and User Advanced Search. Knows no Capillary.

pub mod change;
mod columns;
mod hierarchy;
pub mod make;
pub mod refusals;
mod search;
pub mod settings;
pub mod truth;
pub mod world;

use axum::http::Method;
use serde_json::Value;

use self::{
    settings::{KeysIn, LeadSquaredSettings},
    world::LeadSquaredWorld,
};
use super::{
    answer::Answer,
    door::Refusal,
    request::Request,
    stage::{Play, Simulation},
};

/// A simulated LeadSquared account.
pub type LeadSquaredSim = Simulation<LeadSquared>;

/// How LeadSquared answers.
pub struct LeadSquared;

/// Get User By Id.
const USER: &str = "/v2/UserManagement.svc/User/Retrieve/ByUserId";

impl Play for LeadSquared {
    type World = LeadSquaredWorld;
    type Settings = LeadSquaredSettings;
    type Memory = ();

    fn kind(settings: &LeadSquaredSettings, request: &Request) -> &'static str {
        match request.path.strip_prefix(settings.prefix.as_str()) {
            Some(path) if path == settings.hierarchy_path => "hierarchy",
            Some(path) if path == settings.search_path => "search",
            Some(USER) => "user",
            _ => "unknown",
        }
    }

    fn subject(_: &LeadSquaredWorld, _: &LeadSquaredSettings, request: &Request) -> Option<String> {
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        Some(body.get("UserId")?.as_str()?.to_lowercase())
    }

    fn refuse(settings: &LeadSquaredSettings, refusal: Refusal) -> Answer {
        refusals::throttled(settings.throttle, settings.stated_limit.unwrap_or(refusal.limit))
    }

    fn answer(world: &mut LeadSquaredWorld, settings: &LeadSquaredSettings, (): &mut (), request: &Request) -> Answer {
        let kind = Self::kind(settings, request);
        if kind == "unknown" {
            return refusals::unknown_path();
        }
        if request.method != if kind == "user" { Method::GET } else { Method::POST } {
            return refusals::wrong_method();
        }
        if !admits(settings, request) {
            return refusals::unauthorised();
        }
        if kind == "user" {
            return search::user(world, settings, request.param("userId"));
        }
        let body = serde_json::from_slice::<Value>(&request.body).ok().filter(|body| body.is_object());
        let Some(body) = body.filter(|_| request.names_json("content-type")) else {
            return refusals::malformed();
        };
        match kind {
            "hierarchy" => hierarchy::answer(world, settings, &body),
            _ => search::answer(world, settings, &body),
        }
    }
}

fn admits(settings: &LeadSquaredSettings, request: &Request) -> bool {
    let in_header = [request.header("x-lsq-accesskey"), request.header("x-lsq-secretkey")];
    let in_query = [request.param("accessKey"), request.param("secretKey")];
    let wanted = [Some(settings.access_key.as_str()), Some(settings.secret_key.as_str())];
    match settings.keys_in {
        KeysIn::Either => in_header == wanted || in_query == wanted,
        KeysIn::Header => in_header == wanted,
        KeysIn::Query => in_query == wanted,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use uuid::Uuid;

    use super::{settings::*, *};
    use crate::simulator::{
        ask::{Reply, ask},
        change::Stamp,
        documented,
        forest::Place,
        shape::Tree,
    };

    const TREE: Tree = Tree { nodes: 300, levels: 4, seed: 11 };
    const KEYS: [(&str, &str); 3] =
        [("x-lsq-accesskey", "u$rdemo0access"), ("x-lsq-secretkey", "demo$secret+key/1="), ("content-type", "application/json")];

    async fn start(settings: LeadSquaredSettings) -> LeadSquaredSim {
        LeadSquaredSim::start(LeadSquaredWorld::grow(TREE), settings).await.unwrap()
    }

    async fn hierarchy(sim: &LeadSquaredSim, body: Value) -> Reply {
        let url = sim.base_url() + &sim.settings().hierarchy_path;
        ask("POST", &url, &KEYS, &body.to_string()).await
    }

    async fn search(sim: &LeadSquaredSim, body: Value) -> Reply {
        let url = sim.base_url() + &sim.settings().search_path;
        ask("POST", &url, &KEYS, &body.to_string()).await
    }

    fn ids(body: &Value) -> Vec<String> {
        body["Users"].as_array().unwrap().iter().map(|row| row["UserId"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_crawl_by_direct_reports_sees_exactly_the_truth() {
        let sim = start(LeadSquaredSettings::default()).await;
        let root = sim.world().roots()[0];
        let mut waiting = vec![root.to_string()];
        let mut links = BTreeSet::new();
        while let Some(manager) = waiting.pop() {
            let reports = ids(&hierarchy(&sim, json!({"UserId": manager, "Include": "All"})).await.json());
            links.extend(reports.iter().map(|id| (manager.clone(), id.clone())));
            waiting.extend(reports);
        }
        let truth = sim.world().truth(&[root]);
        assert_eq!((truth.nodes.len(), &truth.links), (300, &links));
    }

    #[tokio::test]
    async fn a_subtree_comes_in_one_piece_with_managers_when_asked() {
        let sim = start(LeadSquaredSettings { reach: Reach::Subtree, milliseconds: true, ..LeadSquaredSettings::default() }).await;
        let root = sim.world().roots()[0];
        let body = json!({"UserId": root, "Include": "All", "Columns": {"Include_CSV": "ManagerUserId, ModifiedOn"}});
        let reply = hierarchy(&sim, body.clone()).await.json();
        let link = |row: &Value| (row["ManagerUserId"].as_str().unwrap().to_owned(), row["UserId"].as_str().unwrap().to_owned());
        let links: BTreeSet<_> = reply["Users"].as_array().unwrap().iter().map(link).collect();
        assert_eq!((&reply["SearchInfo"]["TotalUsers"], &links), (&json!(300), &sim.world().truth(&[root]).links));
        assert!(reply["Users"][0]["IsActive"].is_string() && reply["Users"][0]["ModifiedOn"].as_str().unwrap().ends_with(".000"));
        let active = hierarchy(&sim, json!({"UserId": root, "Include": "Active"})).await.json();
        assert!(active["Users"].as_array().unwrap().len() < 300);
        sim.settings().manager_column = ManagerColumn::Fails;
        assert_eq!(hierarchy(&sim, body.clone()).await.status, 500);
        *sim.settings() = LeadSquaredSettings {
            manager_column: ManagerColumn::Ignored,
            default_keys: DefaultKeys::OnlyUserId,
            booleans: Booleans::Plain,
            total: Total::Absent,
            includes_queried: true,
            ..LeadSquaredSettings::default()
        };
        let bare = hierarchy(&sim, body).await.json();
        assert_eq!(bare["Users"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["ModifiedOn", "UserId"]);
        assert_eq!((ids(&bare)[0].clone(), bare.get("SearchInfo")), (root.to_string(), None));
    }

    #[tokio::test]
    async fn advanced_search_pages_over_all_users_in_order() {
        let sim = start(LeadSquaredSettings { order: UserOrder::Shuffled, ..LeadSquaredSettings::default() }).await;
        let page = |index: u32, size: u32, columns: &str| {
            json!({
                "Columns": {"Include_CSV": columns},
                "GroupConditions": [{"Condition": [{"LookupName": "EmailAddress", "Operator": "lik", "LookupValue": "@", "ConditionOperator": null}]}],
                "Sorting": [{"ColumnName": "UserId", "Direction": "ASC"}],
                "Paging": {"PageIndex": index, "PageSize": size},
            })
        };
        let mut seen = Vec::new();
        for index in 1..=4 {
            let reply = search(&sim, page(index, 90, "ManagerUserId")).await.json();
            assert_eq!(reply["Users"][0]["FirstName"], Value::Null);
            seen.extend(ids(&reply));
        }
        assert!(seen.len() == 301 && seen.is_sorted());
        for (size, columns) in [(1001, "Role"), (10, "ManagerName"), (10, "NoSuchColumn")] {
            let reply = search(&sim, page(1, size, columns)).await;
            assert!(reply.status == 500 && reply.json()["ExceptionType"].as_str().unwrap().starts_with("MX"), "{columns}");
        }
        sim.settings().searches_modified_on = false;
        let changed = json!({"GroupConditions": [{"Condition": [{"LookupName": "ModifiedOn", "Operator": "gt", "LookupValue": "2025"}]}]});
        assert_eq!(search(&sim, changed).await.status, 500);
    }

    #[tokio::test]
    async fn keys_are_checked_where_they_must_be() {
        let sim = start(LeadSquaredSettings { keys_in: KeysIn::Query, ..LeadSquaredSettings::default() }).await;
        let body = json!({"UserId": Uuid::nil(), "Include": "All"});
        assert_eq!(hierarchy(&sim, body.clone()).await.status, 401);
        let path = sim.settings().hierarchy_path.clone();
        let url = format!("{}{path}?accessKey=u%24rdemo0access&secretKey=demo%24secret%2Bkey%2F1%3D", sim.base_url());
        assert_eq!(ask("POST", &url, &KEYS[2..], &body.to_string()).await.status, 500);
        sim.settings().unknown_user = UnknownUser::EmptyList;
        assert_eq!(ids(&ask("POST", &url, &KEYS[2..], &body.to_string()).await.json()), Vec::<String>::new());
        assert_eq!(ask("POST", &url, &KEYS[2..], "{").await.status, 400);
        assert_eq!(ask("GET", &url, &KEYS[2..], "").await.status, 405);
    }

    #[tokio::test]
    async fn the_refusal_states_the_limit_in_each_form() {
        let sim =
            start(LeadSquaredSettings { fixed_body: Some(documented::LEADSQUARED_HIERARCHY.into()), ..LeadSquaredSettings::default() })
                .await;
        sim.door().set_limits(&["1/1h".parse().unwrap()]);
        sim.settings().stated_limit = Some("25/5s".parse().unwrap());
        let body: Value = serde_json::from_str(documented::LEADSQUARED_REQUEST).unwrap();
        assert_eq!(hierarchy(&sim, body.clone()).await.text(), documented::LEADSQUARED_HIERARCHY);
        let documented: Value = serde_json::from_str(documented::LEADSQUARED_THROTTLED).unwrap();
        for (form, status) in [(Throttle::Status429, 429), (Throttle::Status403, 403), (Throttle::Status200, 200)] {
            sim.settings().throttle = form;
            let reply = hierarchy(&sim, body.clone()).await;
            assert_eq!((reply.status, reply.json()), (status, documented.clone()));
        }
        assert_eq!(sim.door().refused(), 3);
    }

    #[test]
    fn a_world_and_its_changes_are_decided_by_seeds() {
        let truth = |seed| {
            let mut world = LeadSquaredWorld::grow(TREE);
            let done = world.mutate(0.2, seed);
            assert!(done.edited > 0 && done.moved > 0 && done.inserted > 0, "{done:?}");
            world.truth(world.roots())
        };
        assert_eq!(truth(1), truth(1));
        assert_ne!(truth(1), truth(2));
    }

    #[test]
    fn a_change_of_manager_moves_the_link_and_a_cycle_ends() {
        let mut world = LeadSquaredWorld::grow(Tree { nodes: 3, levels: 3, seed: 5 });
        let root = world.roots()[0];
        let [one, two, three] = world.below(root)[..] else { panic!("a chain of three") };
        world.change_manager(three, one, Place::Last, Stamp::Keep);
        assert_eq!(world.reports(one), [two, three]);
        world.change_manager(one, three, Place::Last, Stamp::Bump);
        assert_eq!((world.below(one), world.below(root).len()), (vec![two, three, one], 0));
    }
}
