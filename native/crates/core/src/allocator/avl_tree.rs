//! An AVL tree of distinct 64-bit keys in an arena: links are indices, so that nodes take 24 bytes,
//! stay where they are, and a node's index can name what belongs to it elsewhere.

/// No node.
pub const NIL: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Node {
    key: u64,
    child: [u32; 2],
    parent: u32,
    /// Height of the right subtree less that of the left: -1, 0 or 1.
    balance: i8,
}

/// Search, insert and remove in logarithmic time; the arena keeps the nodes it freed.
pub struct AvlTree {
    nodes: Vec<Node>,
    root: u32,
    /// Freed nodes, chained by `parent`.
    unused: u32,
    count: usize,
}

impl Default for AvlTree {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            root: NIL,
            unused: NIL,
            count: 0,
        }
    }
}

/// Pushes; a full vector grows by an eighth, not twofold: millions of nodes are here to stay, and the
/// system moves large blocks without copying.
pub fn push_tight<T>(items: &mut Vec<T>, item: T) {
    if items.len() == items.capacity() {
        items.reserve_exact((items.len() / 8).max(64));
    }
    items.push(item);
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl AvlTree {
    pub fn len(&self) -> usize {
        self.count
    }

    /// Bytes of one node.
    pub const NODE_BYTES: usize = size_of::<Node>();

    #[inline]
    fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    #[inline]
    fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    #[inline]
    pub fn key(&self, id: u32) -> u64 {
        self.node(id).key
    }

    /// Changes a key to one that leaves the order as it is.
    #[inline]
    pub fn rekey(&mut self, id: u32, key: u64) {
        self.node_mut(id).key = key;
    }

    /// The node with the largest key not above `key`.
    #[inline]
    pub fn floor(&self, key: u64) -> u32 {
        let mut at = self.root;
        let mut found = NIL;
        while at != NIL {
            let node = self.node(at);
            let above = node.key <= key;
            found = if above { at } else { found };
            at = node.child[usize::from(above)];
        }
        found
    }

    /// The node with the smallest key not below `key`.
    #[inline]
    pub fn ceiling(&self, key: u64) -> u32 {
        let mut at = self.root;
        let mut found = NIL;
        while at != NIL {
            let node = self.node(at);
            let below = node.key < key;
            found = if below { found } else { at };
            at = node.child[usize::from(below)];
        }
        found
    }

    fn outermost(&self, side: usize) -> u32 {
        let mut at = self.root;
        while at != NIL && self.node(at).child[side] != NIL {
            at = self.node(at).child[side];
        }
        at
    }

    pub fn first(&self) -> u32 {
        self.outermost(LEFT)
    }

    pub fn last(&self) -> u32 {
        self.outermost(RIGHT)
    }

    /// The node after this one by key.
    pub fn next(&self, id: u32) -> u32 {
        let mut at = self.node(id).child[RIGHT];
        if at != NIL {
            while self.node(at).child[LEFT] != NIL {
                at = self.node(at).child[LEFT];
            }
            return at;
        }
        let (mut below, mut at) = (id, self.node(id).parent);
        while at != NIL && self.node(at).child[RIGHT] == below {
            (below, at) = (at, self.node(at).parent);
        }
        at
    }

    /// Adds a key that is not in the tree; returns the index of its node.
    pub fn insert(&mut self, key: u64) -> u32 {
        let mut parent = NIL;
        let mut side = LEFT;
        let mut at = self.root;
        while at != NIL {
            let node = self.node(at);
            side = usize::from(node.key < key);
            parent = at;
            at = node.child[side];
        }
        self.attach(key, parent, side)
    }

    /// As `insert`, between two neighbours that the caller knows: no search. `NIL`: there is none.
    pub fn insert_between(&mut self, key: u64, before: u32, after: u32) -> u32 {
        if before != NIL && self.node(before).child[RIGHT] == NIL {
            self.attach(key, before, RIGHT)
        } else {
            // Of two neighbours one is below the other, so that the inner side of the lower is free.
            self.attach(key, after, LEFT)
        }
    }

    fn attach(&mut self, key: u64, parent: u32, side: usize) -> u32 {
        let id = self.new_node(Node {
            key,
            child: [NIL; 2],
            parent,
            balance: 0,
        });
        self.count += 1;
        if parent == NIL {
            self.root = id;
        } else {
            self.node_mut(parent).child[side] = id;
            self.grown(parent, side);
        }
        id
    }

    fn new_node(&mut self, node: Node) -> u32 {
        if self.unused == NIL {
            let id = self.nodes.len() as u32;
            assert!(id < NIL, "more than 2^32 - 1 free extents");
            push_tight(&mut self.nodes, node);
            return id;
        }
        let id = self.unused;
        self.unused = self.node(id).parent;
        *self.node_mut(id) = node;
        id
    }

    /// The subtree on `side` of `at` has become higher by one.
    fn grown(&mut self, mut at: u32, mut side: usize) {
        loop {
            let toward = if side == RIGHT { 1 } else { -1 };
            let node = self.node_mut(at);
            node.balance += toward;
            match node.balance {
                0 => return,
                1 | -1 => {}
                _ => {
                    self.rebalance(at, side);
                    return;
                }
            }
            let parent = node.parent;
            if parent == NIL {
                return;
            }
            side = self.side_of(at, parent);
            at = parent;
        }
    }

    /// The subtree on `side` of `at` has become lower by one.
    fn shrunk(&mut self, mut at: u32, mut side: usize) {
        loop {
            let away = if side == RIGHT { -1 } else { 1 };
            let node = self.node_mut(at);
            node.balance += away;
            let mut top = at;
            match node.balance {
                0 => {}
                1 | -1 => return,
                _ => {
                    top = self.rebalance(at, 1 - side);
                    if self.node(top).balance != 0 {
                        return;
                    }
                }
            }
            let parent = self.node(top).parent;
            if parent == NIL {
                return;
            }
            side = self.side_of(top, parent);
            at = parent;
        }
    }

    fn side_of(&self, id: u32, parent: u32) -> usize {
        usize::from(self.node(parent).child[RIGHT] == id)
    }

    /// Puts `new` in the place that `old` has under `parent`.
    fn replace_child(&mut self, parent: u32, old: u32, new: u32) {
        if parent == NIL {
            self.root = new;
        } else {
            let side = self.side_of(old, parent);
            self.node_mut(parent).child[side] = new;
        }
        if new != NIL {
            self.node_mut(new).parent = parent;
        }
    }

    /// Lifts the child on `side` over its parent; balances are the caller's.
    fn lift(&mut self, at: u32, side: usize) -> u32 {
        let up = self.node(at).child[side];
        let inner = self.node(up).child[1 - side];
        let parent = self.node(at).parent;
        self.replace_child(parent, at, up);
        self.node_mut(at).child[side] = inner;
        if inner != NIL {
            self.node_mut(inner).parent = at;
        }
        self.node_mut(up).child[1 - side] = at;
        self.node_mut(at).parent = up;
        up
    }

    /// Repairs `at`, which is two higher on `side`; returns the top of the repaired subtree.
    fn rebalance(&mut self, at: u32, side: usize) -> u32 {
        let heavy: i8 = if side == RIGHT { 1 } else { -1 };
        let child = self.node(at).child[side];
        if self.node(child).balance == -heavy {
            let middle = self.lift(child, 1 - side);
            self.lift(at, side);
            let lean = self.node(middle).balance;
            self.node_mut(at).balance = if lean == heavy { -heavy } else { 0 };
            self.node_mut(child).balance = if lean == -heavy { heavy } else { 0 };
            self.node_mut(middle).balance = 0;
            return middle;
        }
        let even = self.node(child).balance == 0;
        self.lift(at, side);
        self.node_mut(at).balance = if even { heavy } else { 0 };
        self.node_mut(child).balance = if even { -heavy } else { 0 };
        child
    }

    /// Removes a node; its index is free for the next insertion.
    pub fn remove(&mut self, id: u32) {
        let node = *self.node(id);
        if node.child[LEFT] != NIL && node.child[RIGHT] != NIL {
            self.swap_with_next(id);
        }
        let node = *self.node(id);
        let child = if node.child[LEFT] == NIL {
            node.child[RIGHT]
        } else {
            node.child[LEFT]
        };
        let parent = node.parent;
        if parent == NIL {
            self.replace_child(NIL, id, child);
        } else {
            let side = self.side_of(id, parent);
            self.replace_child(parent, id, child);
            self.shrunk(parent, side);
        }
        let unused = self.unused;
        self.node_mut(id).parent = unused;
        self.unused = id;
        self.count -= 1;
    }

    /// Exchanges the places of a node with two children and the one after it, so that indices stay.
    fn swap_with_next(&mut self, id: u32) {
        let next = self.next(id);
        let (upper, lower) = (*self.node(id), *self.node(next));
        self.replace_child(upper.parent, id, next);
        let node = self.node_mut(next);
        node.child[LEFT] = upper.child[LEFT];
        node.balance = upper.balance;
        if lower.parent == id {
            node.child[RIGHT] = id;
            self.node_mut(id).parent = next;
        } else {
            node.child[RIGHT] = upper.child[RIGHT];
            self.node_mut(upper.child[RIGHT]).parent = next;
            self.node_mut(lower.parent).child[LEFT] = id;
            self.node_mut(id).parent = lower.parent;
        }
        self.node_mut(upper.child[LEFT]).parent = next;
        let node = self.node_mut(id);
        node.child = lower.child;
        node.balance = lower.balance;
        if lower.child[RIGHT] != NIL {
            self.node_mut(lower.child[RIGHT]).parent = id;
        }
    }

    /// Bytes of the arena.
    pub fn memory_bytes(&self) -> u64 {
        (self.nodes.capacity() * size_of::<Node>()) as u64
    }

    /// Order, balance and links; says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut count = 0;
        self.check_below(self.root, NIL, &mut count)?;
        if count != self.count {
            return Err(format!("{count} nodes in the tree, {} counted", self.count));
        }
        let mut at = self.first();
        while at != NIL {
            let next = self.next(at);
            if next != NIL && self.key(next) <= self.key(at) {
                return Err(format!("key {} after {}", self.key(next), self.key(at)));
            }
            at = next;
        }
        Ok(())
    }

    fn check_below(&self, at: u32, parent: u32, count: &mut usize) -> Result<i32, String> {
        if at == NIL {
            return Ok(0);
        }
        *count += 1;
        let node = self.node(at);
        let left = self.check_below(node.child[LEFT], at, count)?;
        let right = self.check_below(node.child[RIGHT], at, count)?;
        if node.parent != parent {
            return Err(format!("node {at} has a wrong parent"));
        }
        if right - left != i32::from(node.balance) || (right - left).abs() > 1 {
            return Err(format!(
                "node {at}: heights {left} and {right}, balance {}",
                node.balance
            ));
        }
        Ok(left.max(right) + 1)
    }
}
