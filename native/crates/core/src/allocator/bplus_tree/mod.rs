//! A B+ tree in an arena: sorted leaves of up to 64 entries, chained both ways, under inner nodes of
//! as many children. A node that falls below a quarter merges with one beside it when both fit into
//! three quarters of one, which keeps the tree from splitting and merging by turns; else they share.

mod check;
#[cfg(test)]
mod tests;

use super::avl_tree::push_tight;

const WIDTH: usize = 64;
const MERGED: usize = WIDTH * 3 / 4;
const NIL: u32 = u32::MAX;

struct Leaf<K, V> {
    keys: [K; WIDTH],
    values: [V; WIDTH],
    len: usize,
    next: u32,
    previous: u32,
}

struct Inner<K> {
    /// `keys[i]` is a lower bound of child `i` and above all of child `i - 1`; the first is unused.
    keys: [K; WIDTH],
    children: [u32; WIDTH],
    len: usize,
}

/// Where an entry is, until the next insertion or removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    leaf: u32,
    at: u32,
}

/// See the module. Keys are distinct.
pub struct BPlusTree<K, V> {
    leaves: Vec<Leaf<K, V>>,
    inner: Vec<Inner<K>>,
    unused_leaves: Vec<u32>,
    unused_inner: Vec<u32>,
    /// Leaf if `height` is 0, else inner node.
    root: u32,
    height: usize,
    first: u32,
    last: u32,
    count: usize,
    /// Inner nodes from the root down, and the child taken in each, of the last descent.
    path: Vec<(u32, usize)>,
}

impl<K: Copy + Ord + Default, V: Copy + Default> Default for BPlusTree<K, V> {
    fn default() -> Self {
        let mut tree = Self {
            leaves: Vec::new(),
            inner: Vec::new(),
            unused_leaves: Vec::new(),
            unused_inner: Vec::new(),
            root: 0,
            height: 0,
            first: 0,
            last: 0,
            count: 0,
            path: Vec::new(),
        };
        tree.new_leaf();
        tree
    }
}

fn insert_at<T: Copy>(items: &mut [T], len: usize, at: usize, item: T) {
    items.copy_within(at..len, at + 1);
    items[at] = item;
}

/// Keys, values and length of a node.
type Parts<'a, K, V> = (&'a mut [K; WIDTH], &'a mut [V; WIDTH], &'a mut usize);

/// Moves entries so that two neighbours have as many; returns the first key of the right one.
fn share<K: Copy, V: Copy>(
    (left_keys, left_values, left_len): Parts<K, V>,
    (right_keys, right_values, right_len): Parts<K, V>,
) -> K {
    let all = *left_len + *right_len;
    let half = all / 2;
    if *left_len > half {
        let moved = *left_len - half;
        right_keys.copy_within(..*right_len, moved);
        right_values.copy_within(..*right_len, moved);
        right_keys[..moved].copy_from_slice(&left_keys[half..*left_len]);
        right_values[..moved].copy_from_slice(&left_values[half..*left_len]);
    } else {
        let moved = half - *left_len;
        left_keys[*left_len..half].copy_from_slice(&right_keys[..moved]);
        left_values[*left_len..half].copy_from_slice(&right_values[..moved]);
        right_keys.copy_within(moved..*right_len, 0);
        right_values.copy_within(moved..*right_len, 0);
    }
    *left_len = half;
    *right_len = all - half;
    right_keys[0]
}

impl<K: Copy + Ord + Default, V: Copy + Default> BPlusTree<K, V> {
    /// Bytes an entry takes in a leaf that is full to the usual two thirds.
    pub const ENTRY_BYTES: usize = size_of::<Leaf<K, V>>() * 3 / (WIDTH * 2);

    pub fn len(&self) -> usize {
        self.count
    }

    fn new_leaf(&mut self) -> u32 {
        let leaf = Leaf {
            keys: [K::default(); WIDTH],
            values: [V::default(); WIDTH],
            len: 0,
            next: NIL,
            previous: NIL,
        };
        if let Some(id) = self.unused_leaves.pop() {
            self.leaves[id as usize] = leaf;
            return id;
        }
        push_tight(&mut self.leaves, leaf);
        self.leaves.len() as u32 - 1
    }

    fn new_inner(&mut self) -> u32 {
        let inner = Inner {
            keys: [K::default(); WIDTH],
            children: [NIL; WIDTH],
            len: 0,
        };
        if let Some(id) = self.unused_inner.pop() {
            self.inner[id as usize] = inner;
            return id;
        }
        self.inner.push(inner);
        self.inner.len() as u32 - 1
    }

    fn child_of(node: &Inner<K>, key: &K) -> usize {
        node.keys[1..node.len].partition_point(|bound| bound <= key)
    }

    fn leaf_of(&self, key: &K) -> u32 {
        let mut id = self.root;
        for _ in 0..self.height {
            let node = &self.inner[id as usize];
            id = node.children[Self::child_of(node, key)];
        }
        id
    }

    /// As `leaf_of`, remembering the way.
    fn descend(&mut self, key: &K) -> u32 {
        self.path.clear();
        let mut id = self.root;
        for _ in 0..self.height {
            let node = &self.inner[id as usize];
            let child = Self::child_of(node, key);
            self.path.push((id, child));
            id = node.children[child];
        }
        id
    }

    fn settled(&self, leaf: u32, at: usize) -> Option<Place> {
        let node = &self.leaves[leaf as usize];
        if at < node.len {
            return Some(Place {
                leaf,
                at: at as u32,
            });
        }
        (node.next != NIL).then_some(Place {
            leaf: node.next,
            at: 0,
        })
    }

    /// The entry with the largest key not above `key`.
    pub fn floor(&self, key: K) -> Option<Place> {
        let leaf = self.leaf_of(&key);
        let node = &self.leaves[leaf as usize];
        let at = node.keys[..node.len].partition_point(|each| *each <= key);
        if at > 0 {
            return Some(Place {
                leaf,
                at: at as u32 - 1,
            });
        }
        (node.previous != NIL).then(|| Place {
            leaf: node.previous,
            at: self.leaves[node.previous as usize].len as u32 - 1,
        })
    }

    /// The entry with the smallest key not below `key`.
    pub fn ceiling(&self, key: K) -> Option<Place> {
        let leaf = self.leaf_of(&key);
        let node = &self.leaves[leaf as usize];
        let at = node.keys[..node.len].partition_point(|each| *each < key);
        self.settled(leaf, at)
    }

    pub fn first(&self) -> Option<Place> {
        self.settled(self.first, 0)
    }

    pub fn last(&self) -> Option<Place> {
        let len = self.leaves[self.last as usize].len;
        len.checked_sub(1).map(|at| Place {
            leaf: self.last,
            at: at as u32,
        })
    }

    pub fn next(&self, place: Place) -> Option<Place> {
        self.settled(place.leaf, place.at as usize + 1)
    }

    #[inline]
    pub fn key(&self, place: Place) -> K {
        self.leaves[place.leaf as usize].keys[place.at as usize]
    }

    #[inline]
    pub fn value(&self, place: Place) -> V {
        self.leaves[place.leaf as usize].values[place.at as usize]
    }

    pub fn set_value(&mut self, place: Place, value: V) {
        self.leaves[place.leaf as usize].values[place.at as usize] = value;
    }

    /// Changes a key to one that leaves the order as it is, if that needs no other node.
    pub fn rekey(&mut self, place: Place, key: K) -> bool {
        let node = &mut self.leaves[place.leaf as usize];
        let at = place.at as usize;
        // The bounds above lie between the leaf's outer keys and those of the leaves beside it.
        let inside = if key > node.keys[at] {
            at + 1 < node.len
        } else {
            at > 0
        };
        if inside {
            node.keys[at] = key;
        }
        inside
    }

    /// Adds an entry whose key is not in the tree.
    pub fn insert(&mut self, key: K, value: V) {
        let mut leaf = self.descend(&key);
        if self.leaves[leaf as usize].len == WIDTH {
            let fresh = self.split_leaf(leaf);
            let bound = self.leaves[fresh as usize].keys[0];
            self.insert_child(bound, fresh);
            if key >= bound {
                leaf = fresh;
            }
        }
        let node = &mut self.leaves[leaf as usize];
        let at = node.keys[..node.len].partition_point(|each| *each < key);
        insert_at(&mut node.keys, node.len, at, key);
        insert_at(&mut node.values, node.len, at, value);
        node.len += 1;
        self.count += 1;
    }

    fn split_leaf(&mut self, leaf: u32) -> u32 {
        let fresh = self.new_leaf();
        let next = self.leaves[leaf as usize].next;
        // Filled in order, the last leaf keeps nearly all: ascending insertion leaves full leaves.
        let keep = if next == NIL { MERGED } else { WIDTH / 2 };
        let [old, new] = self.two_leaves(leaf, fresh);
        new.len = WIDTH - keep;
        new.keys[..WIDTH - keep].copy_from_slice(&old.keys[keep..]);
        new.values[..WIDTH - keep].copy_from_slice(&old.values[keep..]);
        new.next = next;
        new.previous = leaf;
        old.len = keep;
        old.next = fresh;
        if next == NIL {
            self.last = fresh;
        } else {
            self.leaves[next as usize].previous = fresh;
        }
        fresh
    }

    fn two_leaves(&mut self, one: u32, other: u32) -> [&mut Leaf<K, V>; 2] {
        let found = self.leaves.get_disjoint_mut([one as usize, other as usize]);
        found.unwrap_or_else(|_| unreachable!("two leaves of one tree are distinct"))
    }

    /// Hangs a new node behind the child that the last descent took, upward as far as nodes split.
    fn insert_child(&mut self, mut bound: K, mut fresh: u32) {
        while let Some((id, taken)) = self.path.pop() {
            let node = &mut self.inner[id as usize];
            if node.len < WIDTH {
                insert_at(&mut node.keys, node.len, taken + 1, bound);
                insert_at(&mut node.children, node.len, taken + 1, fresh);
                node.len += 1;
                return;
            }
            (bound, fresh) = self.split_inner(id, taken, bound, fresh);
        }
        let root = self.new_inner();
        let old = self.root;
        let node = &mut self.inner[root as usize];
        node.children[0] = old;
        node.children[1] = fresh;
        node.keys[1] = bound;
        node.len = 2;
        self.root = root;
        self.height += 1;
    }

    fn split_inner(&mut self, id: u32, taken: usize, bound: K, child: u32) -> (K, u32) {
        let half = WIDTH / 2;
        let fresh = self.new_inner();
        let found = self.inner.get_disjoint_mut([id as usize, fresh as usize]);
        let [old, new] = found.unwrap_or_else(|_| unreachable!("two nodes are distinct"));
        new.keys[..half].copy_from_slice(&old.keys[half..]);
        new.children[..half].copy_from_slice(&old.children[half..]);
        new.len = half;
        old.len = half;
        let up = new.keys[0];
        let (node, at) = if taken < half {
            (old, taken + 1)
        } else {
            (new, taken + 1 - half)
        };
        insert_at(&mut node.keys, node.len, at, bound);
        insert_at(&mut node.children, node.len, at, child);
        node.len += 1;
        (up, fresh)
    }

    /// Removes an entry by its key.
    pub fn remove(&mut self, key: K) {
        let leaf = self.descend(&key);
        let node = &mut self.leaves[leaf as usize];
        let at = node.keys[..node.len].partition_point(|each| *each < key);
        assert!(at < node.len && node.keys[at] == key, "no such key");
        node.keys.copy_within(at + 1..node.len, at);
        node.values.copy_within(at + 1..node.len, at);
        node.len -= 1;
        self.count -= 1;
        if node.len < WIDTH / 4 {
            self.merge_leaf();
        }
    }

    /// The left one of child `taken` and one beside it under the last node of the path.
    fn pair_at(&self) -> Option<(u32, usize)> {
        let &(parent, taken) = self.path.last()?;
        let left = taken.saturating_sub(1);
        (left + 1 < self.inner[parent as usize].len).then_some((parent, left))
    }

    /// Merges the leaf of the last descent with one beside it, or shares with it.
    fn merge_leaf(&mut self) {
        let Some((parent, left)) = self.pair_at() else {
            return;
        };
        let node = &self.inner[parent as usize];
        let (into, from) = (node.children[left], node.children[left + 1]);
        if self.leaves[into as usize].len + self.leaves[from as usize].len <= MERGED {
            self.join_leaves(into, from);
            self.remove_child(left + 1);
            return;
        }
        let [one, other] = self.two_leaves(into, from);
        let bound = share(
            (&mut one.keys, &mut one.values, &mut one.len),
            (&mut other.keys, &mut other.values, &mut other.len),
        );
        self.inner[parent as usize].keys[left + 1] = bound;
    }

    fn join_leaves(&mut self, into: u32, from: u32) {
        let [left, right] = self.two_leaves(into, from);
        left.keys[left.len..left.len + right.len].copy_from_slice(&right.keys[..right.len]);
        left.values[left.len..left.len + right.len].copy_from_slice(&right.values[..right.len]);
        left.len += right.len;
        left.next = right.next;
        let next = right.next;
        if next == NIL {
            self.last = into;
        } else {
            self.leaves[next as usize].previous = into;
        }
        self.unused_leaves.push(from);
    }

    /// Takes child `at` out of the lowest node of the path, and merges upward.
    fn remove_child(&mut self, mut at: usize) {
        while let Some((id, _)) = self.path.pop() {
            let node = &mut self.inner[id as usize];
            node.keys.copy_within(at + 1..node.len, at);
            node.children.copy_within(at + 1..node.len, at);
            node.len -= 1;
            let len = node.len;
            if self.path.is_empty() {
                if len == 1 {
                    self.root = self.inner[id as usize].children[0];
                    self.height -= 1;
                    self.unused_inner.push(id);
                }
                return;
            }
            if len >= WIDTH / 4 {
                return;
            }
            let Some(left) = self.merge_inner() else {
                return;
            };
            at = left + 1;
        }
    }

    /// Merges the inner node under the last of the path with one beside it, and says which child its
    /// parent has to lose; or shares with it.
    fn merge_inner(&mut self) -> Option<usize> {
        let (parent, left) = self.pair_at()?;
        let above = &self.inner[parent as usize];
        let bound = above.keys[left + 1];
        let (into, from) = (above.children[left], above.children[left + 1]);
        let found = self.inner.get_disjoint_mut([into as usize, from as usize]);
        let [one, other] = found.unwrap_or_else(|_| unreachable!("two nodes are distinct"));
        // The bound of the right one's first child is its parent's.
        other.keys[0] = bound;
        let (begin, end) = (one.len, one.len + other.len);
        if end <= MERGED {
            one.keys[begin..end].copy_from_slice(&other.keys[..other.len]);
            one.children[begin..end].copy_from_slice(&other.children[..other.len]);
            one.len = end;
            self.unused_inner.push(from);
            return Some(left);
        }
        let bound = share(
            (&mut one.keys, &mut one.children, &mut one.len),
            (&mut other.keys, &mut other.children, &mut other.len),
        );
        self.inner[parent as usize].keys[left + 1] = bound;
        None
    }

    /// Bytes of the arenas.
    pub fn memory_bytes(&self) -> u64 {
        let leaves = self.leaves.capacity() * size_of::<Leaf<K, V>>();
        let inner = self.inner.capacity() * size_of::<Inner<K>>();
        (leaves + inner) as u64
    }
}
