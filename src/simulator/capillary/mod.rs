//! Capillary on loopback: `customers/bulk`, `customers/lookup` and tokens. Knows no LeadSquared.

pub mod access;
mod bulk;
pub mod change;
mod list;
pub mod make;
pub mod refusals;
pub mod settings;
pub mod truth;
mod wire;
pub mod world;

use axum::http::Method;

use self::{access::Tokens, settings::CapillarySettings, world::CapillaryWorld};
use super::{
    answer::Answer,
    door::Refusal,
    request::Request,
    stage::{Play, Simulation},
};

/// A simulated Capillary cluster.
pub type CapillarySim = Simulation<Capillary>;

/// How Capillary answers.
pub struct Capillary;

const BULK: &str = "/v2/customers/bulk";
const LOOKUP: &str = "/v2/customers/lookup";
const TOKEN: &str = "/v3/oauth/token/generate";

impl Simulation<Capillary> {
    /// All tokens given out so far are refused from now on, whatever their lifetime.
    pub fn revoke_tokens(&self) {
        self.memory().revoke();
    }
}

impl Play for Capillary {
    type World = CapillaryWorld;
    type Settings = CapillarySettings;
    type Memory = Tokens;

    fn kind(settings: &CapillarySettings, request: &Request) -> &'static str {
        match request.path.strip_prefix(settings.prefix.as_str()) {
            Some(BULK) => "bulk",
            Some(LOOKUP) => "lookup",
            Some(TOKEN) => "token",
            Some(path) if own_id(path).is_some() => "customer",
            _ => "unknown",
        }
    }

    fn subject(world: &CapillaryWorld, _: &CapillarySettings, request: &Request) -> Option<String> {
        let kind = request.param("associationEntityIdentifierType").or_else(|| request.param("identifierName"))?;
        let value = request.param("associationEntityIdentifierValue").or_else(|| request.param("identifierValue"))?;
        world.find(kind, value).map(|id| id.to_string())
    }

    fn refuse(settings: &CapillarySettings, refusal: Refusal) -> Answer {
        refusals::throttled(&settings.throttle, refusal.wait)
    }

    fn answer(world: &mut CapillaryWorld, settings: &CapillarySettings, tokens: &mut Tokens, request: &Request) -> Answer {
        let answer = route(world, settings, tokens, request);
        let packs = settings.gzip && request.header("accept-encoding").is_some_and(|codings| codings.contains("gzip"));
        let answer = if packs { answer.gzipped() } else { answer };
        answer.header("x-cap-requestid", &format!("sim-{}", fastrand::u64(..)))
    }
}

/// The id in a path of `customers/{id}`.
fn own_id(path: &str) -> Option<i64> {
    path.rsplit_once("/v2/customers/")?.1.parse().ok()
}

fn route(world: &mut CapillaryWorld, settings: &CapillarySettings, tokens: &mut Tokens, request: &Request) -> Answer {
    let kind = Capillary::kind(settings, request);
    let wanted = if kind == "token" { Method::POST } else { Method::GET };
    if kind == "unknown" {
        return Answer::html(404);
    }
    if request.method != wanted {
        return refusals::plain(405, "Method Not Allowed");
    }
    if settings.strict_headers && !(request.names_json("accept") && request.names_json("content-type")) {
        return refusals::plain(415, "Unsupported Media Type");
    }
    if kind == "token" {
        return tokens.generate(settings, request);
    }
    if !tokens.admit(settings, request) {
        return refusals::unauthorised();
    }
    match kind {
        "bulk" => bulk::answer(world, settings, request),
        "customer" => bulk::customer(world, settings, request, own_id(&request.path)),
        _ => bulk::lookup(world, settings, request),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use serde_json::{Value, json};

    use super::{access::OAuth, settings::*, *};
    use crate::simulator::{
        ask::{Reply, ask},
        change::Stamp,
        documented,
        forest::Place,
        shape::Tree,
    };

    const TREE: Tree = Tree { nodes: 300, levels: 4, seed: 11 };

    async fn start(settings: CapillarySettings) -> CapillarySim {
        CapillarySim::start(CapillaryWorld::grow(TREE), settings).await.unwrap()
    }

    fn basic() -> String {
        // demo.till:md5("till-pass")
        "Basic ZGVtby50aWxsOjE2ZmM0MmIyNTI0YTYxN2Y1Y2JiYmY0NGY2YjA3MDVj".to_owned()
    }

    async fn bulk(sim: &CapillarySim, query: &str) -> Reply {
        let url = format!("{}{}{BULK}?{query}", sim.base_url(), sim.settings().prefix);
        ask("GET", &url, &[("authorization", &basic()), ("accept", "application/json"), ("content-type", "application/json")], "").await
    }

    fn children_of(sim: &CapillarySim, id: i64) -> String {
        let (kind, value) = sim.world().identifier(id, &["externalId", "mobile", "cardnumber"]).unwrap();
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        format!(
            "source=INSTORE&associationEntityType=parentCustomer&associationEntityIdentifierType={kind}&associationEntityIdentifierValue={value}"
        )
    }

    fn root(sim: &CapillarySim) -> i64 {
        sim.world().roots()[0]
    }

    fn ids(body: &Value) -> Vec<i64> {
        let rows = body["entity"]["customers"].as_array().unwrap();
        rows.iter().map(|row| row["profiles"][0]["userId"].as_i64().unwrap()).collect()
    }

    async fn crawl(sim: &CapillarySim) -> BTreeSet<(i64, i64)> {
        let mut waiting = sim.world().roots().to_vec();
        let mut links = BTreeSet::new();
        while let Some(parent) = waiting.pop() {
            for offset in (0..).step_by(7) {
                let reply = bulk(sim, &format!("{}&limit=7&offset={offset}&sortOrder=ASC", children_of(sim, parent))).await;
                let page = ids(&reply.json());
                links.extend(page.iter().map(|&child| (parent, child)));
                waiting.extend(&page);
                if page.len() < 7 {
                    break;
                }
            }
        }
        links
    }

    #[tokio::test]
    async fn a_crawl_sees_exactly_the_truth() {
        let sim = start(CapillarySettings::default()).await;
        let links: BTreeSet<_> = crawl(&sim).await.into_iter().map(|(parent, child)| (parent.to_string(), child.to_string())).collect();
        let root = root(&sim);
        let truth = sim.world().truth(&[root]);
        assert_eq!((truth.nodes.len(), &truth.links), (300, &links));
        assert_eq!(sim.door().calls_by_kind().keys().collect::<Vec<_>>(), [&"bulk"]);
    }

    #[tokio::test]
    async fn flags_bring_their_fields_and_switches_their_forms() {
        let sim = start(CapillarySettings { prefix: "/eu".into(), ..CapillarySettings::default() }).await;
        let root = root(&sim);
        let query = children_of(&sim, root);
        let plain = bulk(&sim, &query).await.json();
        let row = plain["entity"]["customers"][0].as_object().unwrap();
        assert!(row.contains_key("extendedFields") && !row.contains_key("roleCode") && !row.contains_key("noOfChildren"));
        assert_eq!(plain["entity"]["count"], json!(10.min(sim.world().children(root).len())));
        *sim.settings() = CapillarySettings {
            prefix: "/eu".into(),
            count: CountMeans::Total,
            ids: Ids::Text,
            offset: Offset::India,
            parent_customer: ParentCustomer::Beside,
            gzip: true,
            ..CapillarySettings::default()
        };
        let all =
            bulk(&sim, &format!("{query}&limit=1&offset=1&includeNoOfChildren=true&includeCustomerAssociateDetail=true")).await.json();
        let row = &all["entity"]["customers"][0];
        let second = sim.world().children(root).iter().rev().nth(1).copied().unwrap();
        assert_eq!(row["profiles"][0]["userId"], json!(second.to_string()));
        assert_eq!(row["noOfChildren"], json!(sim.world().children(second).len()));
        assert_eq!(row["parentCustomer"]["profiles"][0]["userId"], json!(root.to_string()));
        assert!(row["createdDate"].as_str().unwrap().ends_with("+05:30"));
        assert_eq!(all["entity"]["count"], json!(sim.world().children(root).len()));
    }

    #[tokio::test]
    async fn bad_requests_are_refused_as_the_pages_say() {
        let sim = start(CapillarySettings { over_limit: OverLimit::Refuse, ..CapillarySettings::default() }).await;
        let query = children_of(&sim, root(&sim));
        let kind = "associationEntityType=parentCustomer&associationEntityIdentifierType=mobile";
        let unknown = format!("{kind}&associationEntityIdentifierValue=1");
        for (query, status, code) in [
            (kind, 400, Value::Null),
            (&format!("{kind}&associationEntityIdentifierValue="), 400, json!(11013)),
            (&format!("{query}&limit=101"), 400, Value::Null),
            (&format!("{query}&offset=-1"), 400, Value::Null),
            (&query.replace("INSTORE", "NOWHERE"), 400, json!(8003)),
            (&query.replace("INSTORE", "WECHAT"), 400, json!(8045)),
            (&unknown, 200, json!(8015)),
        ] {
            let reply = bulk(&sim, query).await;
            assert_eq!((reply.status, &reply.json()["errors"][0]["code"]), (status, &code), "{query}");
        }
        sim.settings().unknown_parent = UnknownParent::EmptyList;
        assert_eq!(ids(&bulk(&sim, &unknown).await.json()), Vec::<i64>::new());
        let url = format!("{}{BULK}?{query}", sim.base_url());
        let json = [("accept", "application/json"), ("content-type", "application/json"), ("authorization", "Basic bm8=")];
        assert_eq!(ask("GET", &url, &json, "").await.status, 401);
        assert_eq!(ask("GET", &url, &json[..1], "").await.status, 415);
        assert_eq!(ask("GET", &sim.base_url(), &json, "").await.status, 404);
    }

    #[tokio::test]
    async fn tokens_are_let_in_until_they_end() {
        let sim = start(CapillarySettings::default()).await;
        let json = [("accept", "application/json"), ("content-type", "application/json")];
        let sign_in = async |secret: &str| {
            let body = json!({"key": "demo-client", "secret": secret}).to_string();
            ask("POST", &format!("{}{TOKEN}", sim.base_url()), &json, &body).await
        };
        assert_eq!(sign_in("wrong").await.status, 401);
        let reply = sign_in("client-secret").await.json();
        assert_eq!(reply["data"]["ttlSeconds"], json!(300));
        let token = reply["data"]["accessToken"].as_str().unwrap().to_owned();
        let lookup = async |token: &str| {
            let query = "source=INSTORE&identifierName=email&identifierValue=person1%40example.com";
            let headers = [json.as_slice(), &[("x-cap-api-oauth-token", token)]].concat();
            ask("GET", &format!("{}{LOOKUP}?{query}", sim.base_url()), &headers, "").await
        };
        let found = sim.world().find("email", "person1@example.com").unwrap();
        assert_eq!(lookup(&token).await.json(), json!({"entity": found, "warnings": []}));
        sim.revoke_tokens();
        assert_eq!(lookup(&token).await.status, 401);
        sim.settings().oauth = Some(OAuth { lifetime: Duration::ZERO, stated_seconds: Some(300), ..OAuth::default() });
        let dead = sign_in("client-secret").await.json();
        assert_eq!(lookup(dead["data"]["accessToken"].as_str().unwrap()).await.status, 401);
        assert_eq!(sim.door().calls_by_kind(), [("lookup", 3), ("token", 3)].into());
    }

    #[tokio::test]
    async fn calls_beyond_the_limit_are_refused_in_the_chosen_form() {
        let sim = start(CapillarySettings::default()).await;
        sim.door().set_limits(&["1/1h".parse().unwrap()]);
        let query = children_of(&sim, root(&sim));
        assert_eq!(bulk(&sim, &query).await.status, 200);
        for (body, retry_after, kind) in [
            (ThrottleBody::Json, RetryAfter::Seconds, "application/json"),
            (ThrottleBody::Html, RetryAfter::Date, "text/html"),
            (ThrottleBody::Empty, RetryAfter::Absent, ""),
        ] {
            sim.settings().throttle = Throttle { body, retry_after };
            let reply = bulk(&sim, &query).await;
            assert_eq!(reply.status, 429);
            assert!(reply.header("content-type").starts_with(kind));
            let end = match retry_after {
                RetryAfter::Seconds => "3600",
                RetryAfter::Date => "GMT",
                RetryAfter::Absent => "",
            };
            assert!(reply.header("retry-after").ends_with(end), "{}", reply.header("retry-after"));
        }
        assert_eq!((sim.door().calls(), sim.door().refused()), (4, 3));
    }

    #[tokio::test]
    async fn the_documented_body_is_served_as_it_stands() {
        let settings = CapillarySettings { fixed_body: Some(documented::CAPILLARY_HIERARCHY.into()), ..CapillarySettings::default() };
        let sim = start(settings).await;
        let query = children_of(&sim, root(&sim));
        assert_eq!(bulk(&sim, &query).await.text(), documented::CAPILLARY_HIERARCHY);
    }

    #[test]
    fn a_world_and_its_changes_are_decided_by_seeds() {
        let truth = |seed| {
            let mut world = CapillaryWorld::grow(TREE);
            let done = world.mutate(0.2, seed);
            assert!(done.edited > 0 && done.moved > 0 && done.inserted > 0 && done.deleted > 0, "{done:?}");
            world.truth(world.roots())
        };
        assert_eq!(truth(1), truth(1));
        assert_ne!(truth(1), truth(2));
    }

    #[test]
    fn changes_by_hand_show_in_the_truth() {
        let mut world = CapillaryWorld::grow(Tree { nodes: 6, levels: 2, seed: 5 });
        let root = world.roots()[0];
        let (first, fresh) = (world.children(root)[0], world.insert(root, Place::First));
        world.rename(fresh, "Loud\0", Stamp::Bump);
        let before = world.truth(&[root]).nodes[&first.to_string()].clone();
        world.set_extended_field(first, "city", json!("Oslo"), Stamp::Keep);
        world.move_to(fresh, first, Place::Last, Stamp::Keep);
        let truth = world.truth(&[root]);
        assert_eq!(truth.nodes[&fresh.to_string()]["first_name"], json!("Loud\u{fffd}"));
        let after = &truth.nodes[&first.to_string()];
        assert_eq!((&after["extended_fields"]["city"], &after["auto_update_time"]), (&json!("Oslo"), &before["auto_update_time"]));
        assert!(truth.links.contains(&(first.to_string(), fresh.to_string())));
        let below = world.below(first).len();
        assert_eq!(world.delete(first), below + 1);
    }
}
