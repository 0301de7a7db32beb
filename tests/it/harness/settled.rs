//! Settled trees by another way: from links, roots and proven lists, node by node, as the contract's rule says.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Where a node hangs: source, node, parent, root, depth, children, descendants, path.
type Placed = (i32, String, Option<String>, String, i32, i32, i32, Vec<String>);

/// One vendor's tables.
struct Of {
    links: &'static str,
    roots: &'static str,
    nodes: &'static str,
    places: &'static str,
    bridge: &'static str,
}

const CUSTOMERS: Of = Of {
    links: "select l.source_id, l.parent_id::text, l.child_id::text, coalesce(f.state = 'read', false), l.valid_from, lpad((l.parent_id::numeric + 1e18)::text, 20, '0')
            from hiersync.customer_link l left join hiersync_internal.settled w using (source_id)
            left join hiersync_internal.frontier f on f.source_id = l.source_id and f.parent_key = l.parent_id::text and f.walk_id = w.walk_id
            where l.retired_at is null and l.parent_id <> l.child_id",
    roots: "select s.source_id, r.node_key, r.is_now from hiersync.source s cross join lateral (
                select node_key, true as is_now from hiersync_internal.root r where r.source_id = s.source_id
                union all select node_key, false from hiersync_internal.root_history r where r.source_id = s.source_id) r
            where s.vendor = 'capillary'",
    nodes: "select source_id, customer_id::text from hiersync.customer where retired_at is null",
    places: "select source_id, customer_id::text, parent_id::text, root_id::text, depth, children, descendants, path::text[] from hiersync.customer_place",
    bridge: "select source_id, ancestor_id::text, descendant_id::text, distance from hiersync.customer_bridge",
};

const USERS: Of = Of {
    links: "select l.source_id, l.manager_id::text, l.user_id::text, coalesce(f.state = 'read', false), l.valid_from, l.manager_id::text
            from hiersync.reporting_line l left join hiersync_internal.settled w using (source_id)
            left join hiersync_internal.frontier f on f.source_id = l.source_id and f.parent_key = l.manager_id::text and f.walk_id = w.walk_id
            where l.retired_at is null and l.manager_id <> l.user_id",
    roots: "select s.source_id, r.node_key, r.is_now from hiersync.source s cross join lateral (
                select node_key, true as is_now from hiersync_internal.root r where r.source_id = s.source_id
                union all select node_key, false from hiersync_internal.root_history r where r.source_id = s.source_id) r
            where s.vendor = 'leadsquared'",
    nodes: "select source_id, user_id::text from hiersync.reporting_user where retired_at is null",
    places: "select source_id, user_id::text, parent_id::text, root_id::text, depth, children, descendants, path::text[] from hiersync.reporting_place",
    bridge: "select source_id, ancestor_id::text, descendant_id::text, distance from hiersync.reporting_bridge",
};

type Key = (i32, String);

/// Source, ancestor, descendant, distance.
type Span = (i32, String, String, i32);

/// What of the settled trees is not as the rule says, in words. Right after a walk was closed.
pub async fn faults(pool: &PgPool) -> Vec<String> {
    let (mut faults, users) = (of(pool, &CUSTOMERS).await, of(pool, &USERS).await);
    faults.extend(users);
    faults
}

async fn of(pool: &PgPool, tables: &Of) -> Vec<String> {
    let paths = paths(pool, tables).await;
    let (places, bridge) = expected(&paths);
    let found: Vec<Placed> = sqlx::query_as(tables.places).fetch_all(pool).await.unwrap();
    let found: BTreeSet<Placed> = found.into_iter().collect();
    let mut faults: Vec<String> = found.difference(&places).take(3).map(|place| format!("stands wrongly: {place:?}")).collect();
    faults.extend(places.difference(&found).take(3).map(|place| format!("stands not: {place:?}")));
    let spanned: Vec<Span> = sqlx::query_as(tables.bridge).fetch_all(pool).await.unwrap();
    if spanned.len() != bridge.len() || spanned.into_iter().collect::<BTreeSet<_>>() != bridge {
        faults.push("the bridge is another".into());
    }
    faults
}

/// Who has a place, and the way to it from the root.
async fn paths(pool: &PgPool, tables: &Of) -> BTreeMap<Key, Vec<String>> {
    let links: Vec<(i32, String, String, bool, DateTime<Utc>, String)> = sqlx::query_as(tables.links).fetch_all(pool).await.unwrap();
    let nodes: Vec<Key> = sqlx::query_as(tables.nodes).fetch_all(pool).await.unwrap();
    let nodes: BTreeSet<Key> = nodes.into_iter().collect();
    let roots: Vec<(i32, String, bool)> = sqlx::query_as(tables.roots).fetch_all(pool).await.unwrap();
    let has_parent: BTreeSet<Key> = links.iter().map(|link| (link.0, link.2.clone())).collect();
    let is_root = |(source, key, is_now): &(i32, String, bool)| {
        let node = (*source, key.clone());
        *is_now || (nodes.contains(&node) && !has_parent.contains(&node))
    };
    let roots: BTreeSet<Key> = roots.iter().filter(|root| is_root(root)).map(|root| (root.0, root.1.clone())).collect();
    // The best parent of each: proven, oldest, lowest.
    let mut best = BTreeMap::new();
    for (source, parent, child, is_proven, since, order) in links {
        let node = (source, child);
        if !roots.contains(&node) {
            let rank = (!is_proven, since, order);
            let entry = best.entry(node).or_insert_with(|| (rank.clone(), parent.clone()));
            if rank < entry.0 {
                *entry = (rank, parent);
            }
        }
    }
    let path = |node: &Key| {
        let mut path = vec![node.1.clone()];
        while let Some((_, parent)) = best.get(&(node.0, path[0].clone())) {
            if path.contains(parent) {
                return None;
            }
            path.insert(0, parent.clone());
        }
        roots.contains(&(node.0, path[0].clone())).then_some(path)
    };
    nodes.iter().filter_map(|node| path(node).map(|path| (node.clone(), path))).collect()
}

fn expected(paths: &BTreeMap<Key, Vec<String>>) -> (BTreeSet<Placed>, BTreeSet<Span>) {
    let (mut children, mut descendants, mut bridge) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for (node, path) in paths {
        let last = path.len() - 1;
        for (at, above) in path.iter().enumerate() {
            bridge.insert((node.0, above.clone(), node.1.clone(), int(last - at)));
            *descendants.entry((node.0, above.clone())).or_insert(0) += i32::from(at < last);
        }
        if last > 0 {
            *children.entry((node.0, path[last - 1].clone())).or_insert(0) += 1;
        }
    }
    let place = |(node, path): (&Key, &Vec<String>)| {
        let depth = path.len() - 1;
        let parent = depth.checked_sub(1).map(|at| path[at].clone());
        let count = |of: &BTreeMap<Key, i32>| of.get(node).copied().unwrap_or(0);
        (node.0, node.1.clone(), parent, path[0].clone(), int(depth), count(&children), count(&descendants), path.clone())
    };
    (paths.iter().map(place).collect(), bridge)
}

fn int(number: usize) -> i32 {
    i32::try_from(number).unwrap()
}
