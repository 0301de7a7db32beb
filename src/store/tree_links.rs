//! A tree as the links of the mirror have it, now or at a time.

use futures::stream::BoxStream;
use uuid::Uuid;

use super::{
    conn::Conn,
    tree::{TreeLine, Wanted, of_both},
};

/// Links and nodes are looked up one by one, of each node as many children as are wanted, by name. Tops are the roots,
/// and at another time also those who lived without a parent then: the config may not name them any more. One that was not seen yet is
/// none. Who was cut off counts itself.
macro_rules! lines {
    (
        ($conn:expr, $source:expr, $top:expr, $wanted:expr),
        $nodes:literal, $id:literal, $type:literal, $links:literal, $parent:literal, $child:literal, $name:literal, $active:literal,
        $places:literal
    ) => {
        sqlx::query_as!(
            TreeLine,
            "with recursive top as (
                    select $2::"
                + $type
                + " as id where $2::"
                + $type
                + " is not null
                    union
                    select r.node_key::"
                + $type
                + " from hiersync_internal.root r where r.source_id = $1 and $2::"
                + $type
                + " is null and r.valid_from <= coalesce($4::timestamptz, 'infinity')
                    union
                    select r.node_key::"
                + $type
                + " from hiersync_internal.root_history r where r.source_id = $1 and $2::"
                + $type
                + " is null and r.valid_from <= $4::timestamptz and r.valid_to > $4
                    union
                    select n."
                + $id
                + " from hiersync."
                + $nodes
                + "_at($4) n
                    where n.source_id = $1 and $2::"
                + $type
                + " is null and $4::timestamptz is not null and n.retired_at is null
                      and not exists (
                          select from hiersync."
                + $links
                + "_at($4) l
                          where l.source_id = $1 and l."
                + $child
                + " = n."
                + $id
                + " and l."
                + $parent
                + " <> n."
                + $id
                + " and l.retired_at is null
                      )
                ), tree as (
                    select
                        t.id, 0 as depth, array[t.id] as path, false as is_again, 0::bigint as siblings, array[row_number() over (order by (
                            select nullif("
                + $name
                + ", '') from hiersync."
                + $nodes
                + "_at($4) k where k.source_id = $1 and k."
                + $id
                + " = t.id limit 1
                        ), t.id)] as place
                    from top t
                    union all
                    select c.id, t.depth + 1, t.path || c.id, c.id = any (t.path), c.siblings, t.place || c.place
                    from tree t
                    cross join lateral (
                        select c.id, row_number() over (order by case when $6 then c.name end, c.id) as place, count(*) over () as siblings
                        from (
                            select l."
                + $child
                + " as id, (
                            select nullif("
                + $name
                + ", '') from hiersync."
                + $nodes
                + "_at($4) k where k.source_id = $1 and k."
                + $id
                + " = l."
                + $child
                + " limit 1
                        ) as name
                            from hiersync."
                + $links
                + "_at($4) l
                            where l.source_id = $1 and l."
                + $parent
                + " = t.id and l.retired_at is null
                        ) c
                        order by case when $6 then c.name end, c.id limit $5
                    ) c
                    where not t.is_again and t.depth < $3
                ), deeper as (
                    select t.path, t.id from tree t where t.depth = $3 and not t.is_again
                    union
                    select d.path, c.id
                    from deeper d
                    cross join lateral (
                        select l."
                + $child
                + " as id from hiersync."
                + $links
                + "_at($4) l
                        where l.source_id = $1 and l."
                + $parent
                + " = d.id and l.retired_at is null
                        offset 0
                    ) c
                    where not c.id = any (d.path)
                ), cut as (
                    select d.path, count(*) - 1 as below from deeper d group by d.path
                )
                "
                + r#"select
                    t.id::text as "key!", t.depth as "depth!", t.place[t.depth + 1] = t.siblings as "is_last!",
                    case when t.place[t.depth + 1] = $5 then t.siblings - $5 else 0 end as "more!", t.is_again as "is_again!",
                    n.name as "name?", n.is_active as "is_active?", coalesce(n.is_placeholder, false) as "is_placeholder!",
                    n.retired_at as "retired_at?", coalesce(c.below, 0) as "below!"
                from tree t
                left join lateral (
                    select nullif("#
                + $name
                + r#", '') as name, "#
                + $active
                + r#" as is_active, k.is_placeholder, k.retired_at
                    from hiersync."#
                + $nodes
                + r#"_at($4) k
                    where k.source_id = $1 and k."#
                + $id
                + r#" = t.id
                    limit 1
                ) n on true
                left join cut c on c.path = t.path and not t.is_again
                where t.depth > 0 or n.is_placeholder is not null
                order by t.place"#,
            $source,
            $top,
            $wanted.depth,
            $wanted.at(),
            $wanted.children,
            $wanted.is_by_name
        )
        .fetch($conn)
    };
}

of_both!(lines);
