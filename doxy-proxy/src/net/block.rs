//! A piece of memory of a fixed size.
//!
//! Large ones are mappings of their own. Their pages exist as far as they were written to, and go back
//! to the kernel when the block is dropped; an allocator would keep what a crowd of clients once took.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// From this size on a block is a mapping, in bytes.
const MAPPED: usize = 64 * 1024;

/// Memory of a fixed size, with undefined contents. The empty one takes none.
#[derive(Debug)]
pub(crate) enum Block {
    Heap(Box<[u8]>),
    Mapped(MmapMut),
}

impl Block {
    pub(crate) fn new(size: usize) -> Self {
        if size >= MAPPED
            && let Ok(mapping) = MmapMut::map_anon(size)
        {
            return Self::Mapped(mapping);
        }
        // A process may have only so many mappings.
        Self::Heap(vec![0; size].into_boxed_slice())
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::Heap(Box::default())
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Heap(bytes.into_boxed_slice())
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, MAPPED};

    #[test]
    fn a_block_has_its_size_and_a_large_one_is_a_mapping() {
        for (size, mapped) in [
            (0, false),
            (MAPPED - 1, false),
            (MAPPED, true),
            (1 << 24, true),
        ] {
            let mut block = Block::new(size);
            block.iter_mut().for_each(|byte| *byte = 7);
            assert_eq!(
                (block.len(), block.iter().all(|byte| *byte == 7)),
                (size, true)
            );
            assert_eq!(matches!(block, Block::Mapped(_)), mapped, "{size}");
        }
    }
}
