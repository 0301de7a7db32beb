//! A tree as the last closed walk has left it.

use futures::stream::BoxStream;
use uuid::Uuid;

use super::{
    conn::Conn,
    tree::{TreeLine, Wanted, of_both},
};

/// The settled tree. Whoever hangs on a node hung there by a link, gone or not: links find them without all that is below.
macro_rules! settled {
    (
        ($conn:expr, $source:expr, $top:expr, $wanted:expr),
        $nodes:literal, $id:literal, $type:literal, $links:literal, $parent:literal, $child:literal, $name:literal, $active:literal,
        $places:literal
    ) => {
        sqlx::query_as!(
            TreeLine,
            "with recursive named as not materialized (
                 select p."
                + $id
                + " as id, p.parent_id, p.children, p.descendants, nullif("
                + $name
                + ", '') as name, "
                + $active
                + " as is_active, k.is_placeholder, k.retired_at
                 from hiersync."
                + $places
                + " p
                 join hiersync."
                + $nodes
                + " k on k.source_id = p.source_id and k."
                + $id
                + " = p."
                + $id
                + "
                 where p.source_id = $1
             ), tree as (
                 select t.*, 0 as depth, array[row_number() over (order by case when $5 then t.name end, t.id)] as place, 0::bigint as siblings
                 from named t
                 where case when $2::"
                + $type
                + " is null then t.parent_id is null else t.id = $2 end
                 union all
                 select c.id, c.parent_id, c.children, c.descendants, c.name, c.is_active, c.is_placeholder, c.retired_at, c.depth,
                     t.place || c.place, c.siblings
                 from tree t
                 cross join lateral (
                     select n.*, t.depth + 1 as depth, row_number() over (order by case when $5 then n.name end, n.id) as place, count(*) over () as siblings
                     from hiersync."
                + $links
                + " l
                     join named n on n.id = l."
                + $child
                + " and n.parent_id = l."
                + $parent
                + "
                     where l.source_id = $1 and l."
                + $parent
                + " = t.id
                     order by case when $5 then n.name end, n.id limit $4
                 ) c
                 where t.depth < $3
             )
             "
                + r#"select t.id::text as "key!", t.depth as "depth!",
                    t.place[t.depth + 1] = t.siblings as "is_last!",
                    case when t.place[t.depth + 1] = $4 then t.siblings - $4 else 0 end as "more!", false as "is_again!",
                    t.name as "name?", t.is_active as "is_active?", t.is_placeholder as "is_placeholder!",
                    t.retired_at as "retired_at?", case when t.depth = $3 then t.descendants::bigint else 0 end as "below!"
                from tree t
                order by t.place"#,
            $source,
            $top,
            $wanted.depth,
            $wanted.children,
            $wanted.is_by_name
        )
        .fetch($conn)
    };
}

of_both!(settled);
