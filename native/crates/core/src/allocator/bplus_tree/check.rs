//! Whether a B+ tree is one.

use super::{BPlusTree, NIL};

impl<K: Copy + Ord + Default, V: Copy + Default> BPlusTree<K, V> {
    /// Order, bounds, chain and count; says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut leaves = Vec::new();
        self.check_below(self.root, self.height, None, None, &mut leaves)?;
        let count: usize = leaves.iter().map(|id| self.leaves[*id as usize].len).sum();
        if count != self.count {
            return Err(format!(
                "{count} entries in the tree, {} counted",
                self.count
            ));
        }
        let mut previous = NIL;
        for (index, &id) in leaves.iter().enumerate() {
            let leaf = &self.leaves[id as usize];
            let next = leaves.get(index + 1).copied().unwrap_or(NIL);
            if (leaf.previous, leaf.next) != (previous, next) {
                return Err(format!("leaf {id} is out of the chain"));
            }
            if leaf.len == 0 && count > 0 {
                return Err(format!("leaf {id} is empty"));
            }
            previous = id;
        }
        if (self.first, self.last) != (leaves[0], previous) {
            return Err("the chain has wrong ends".to_owned());
        }
        Ok(())
    }

    fn check_below(
        &self,
        id: u32,
        height: usize,
        low: Option<K>,
        high: Option<K>,
        leaves: &mut Vec<u32>,
    ) -> Result<(), String> {
        let within = |keys: &[K]| {
            keys.is_sorted_by(|a, b| a < b)
                && keys.iter().all(|key| low.is_none_or(|low| *key >= low))
                && keys.iter().all(|key| high.is_none_or(|high| *key < high))
        };
        if height == 0 {
            leaves.push(id);
            let leaf = &self.leaves[id as usize];
            return within(&leaf.keys[..leaf.len])
                .then_some(())
                .ok_or_else(|| format!("leaf {id} is out of order"));
        }
        let node = &self.inner[id as usize];
        if node.len < 2 || !within(&node.keys[1..node.len]) {
            return Err(format!("inner node {id} is out of order"));
        }
        for child in 0..node.len {
            let low = if child == 0 {
                low
            } else {
                Some(node.keys[child])
            };
            let high = if child + 1 < node.len {
                Some(node.keys[child + 1])
            } else {
                high
            };
            self.check_below(node.children[child], height - 1, low, high, leaves)?;
        }
        Ok(())
    }
}
