//! Shapes of trees, grown from a seed: who is whose child, by number. Knows no vendor and no content.

use fastrand::Rng;

/// How much larger each level is than the one above.
const GROWTH: f64 = 3.0;
/// One in so many nodes of a level has children: most are leaves, as in life.
const ONE_PARENT_IN: usize = 4;

/// A tree to grow: exactly `nodes` below its root, in exactly `levels` levels (at least one node each).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Nodes below the root.
    pub nodes: usize,
    /// Levels below the root.
    pub levels: usize,
    /// The same seed gives the same tree, and the same data on it.
    pub seed: u64,
}

/// For each node the number of its parent, which is smaller than its own; `None`: a child of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape(Vec<Option<usize>>);

impl Tree {
    /// Few long lists, many short ones, most nodes leaves.
    pub fn shape(&self) -> Shape {
        let mut rng = Rng::with_seed(self.seed);
        let mut parents = Vec::with_capacity(self.nodes);
        let mut above: Vec<Option<usize>> = vec![None];
        for size in self.level_sizes() {
            let first = parents.len();
            let heads = rng.choose_multiple(above.iter().copied(), above.len().div_ceil(ONE_PARENT_IN));
            parents.extend((0..size).map(|_| pick(&heads, &mut rng)));
            above = (first..parents.len()).map(Some).collect();
        }
        Shape(parents)
    }

    fn level_sizes(&self) -> Vec<usize> {
        let levels = self.levels.clamp(1, self.nodes.max(1));
        let spare = self.nodes.saturating_sub(levels);
        let weights: Vec<f64> = (0..levels).map(|level| GROWTH.powi(i32::try_from(level).unwrap_or(i32::MAX))).collect();
        let total: f64 = weights.iter().sum();
        let mut sizes: Vec<usize> = weights.iter().map(|weight| 1 + (spare as f64 * weight / total) as usize).collect();
        let given: usize = sizes.iter().sum();
        sizes[levels - 1] = (sizes[levels - 1] + self.nodes).saturating_sub(given);
        sizes
    }
}

/// The earlier heads get most of the children.
fn pick(heads: &[Option<usize>], rng: &mut Rng) -> Option<usize> {
    let place = heads.len() as f64 * rng.f64() * rng.f64();
    heads[(place as usize).min(heads.len() - 1)]
}

impl Shape {
    /// Any: for each node the number of its parent, which is smaller than its own; `None`: a child of the root.
    pub fn of(parents: Vec<Option<usize>>) -> Self {
        Self(parents)
    }

    /// One list.
    pub fn list(children: usize) -> Self {
        Self(vec![None; children])
    }

    /// One below the other.
    pub fn chain(levels: usize) -> Self {
        Self((0..levels).map(|node| node.checked_sub(1)).collect())
    }

    /// Every node above the last level has `children` children.
    pub fn even(children: usize, levels: usize) -> Self {
        let mut parents = Vec::new();
        let mut above: Vec<Option<usize>> = vec![None];
        for _ in 0..levels {
            let first = parents.len();
            parents.extend(above.iter().flat_map(|&parent| std::iter::repeat_n(parent, children)));
            above = (first..parents.len()).map(Some).collect();
        }
        Self(parents)
    }

    /// For each node the number of its parent; `None`: a child of the root.
    pub fn parents(&self) -> &[Option<usize>] {
        &self.0
    }

    /// The level of each node; the root's children are on level 1.
    pub fn levels(&self) -> Vec<usize> {
        let mut levels: Vec<usize> = Vec::with_capacity(self.0.len());
        for parent in &self.0 {
            levels.push(parent.map_or(1, |parent| levels[parent] + 1));
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_exactly_its_nodes_and_levels() {
        for (nodes, levels) in [(1, 1), (5, 5), (40, 3), (1_000, 8), (20_000, 5)] {
            let shape = Tree { nodes, levels, seed: 7 }.shape();
            assert_eq!(shape.parents().len(), nodes);
            assert_eq!(shape.levels().into_iter().max(), Some(levels), "{nodes} nodes");
        }
        assert!(Tree { nodes: 0, levels: 3, seed: 7 }.shape().parents().is_empty());
    }

    #[test]
    fn the_seed_decides_alone() {
        let shape = |seed| Tree { nodes: 500, levels: 4, seed }.shape();
        assert_eq!(shape(1), shape(1));
        assert_ne!(shape(1), shape(2));
    }

    #[test]
    fn plain_shapes_are_what_they_say() {
        assert_eq!(Shape::even(3, 3).parents().len(), 3 + 9 + 27);
        assert_eq!(Shape::chain(4).levels(), [1, 2, 3, 4]);
        assert_eq!(Shape::list(3).levels(), [1, 1, 1]);
    }
}
