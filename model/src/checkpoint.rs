//! Gradient checkpointing by layer: a forward keeps what goes into each block, and the backward pass runs
//! one block at a time again, so that the graph of one block is all that is ever held.
//!
//! ```text
//! forward    x0 ─► block 0 ─► x1 ─► … ─► xn          (no graph; each x, and what attention gave, is kept)
//! backward   loss(xn) ─► ∂/∂xn ─► block n-1 again ─► ∂/∂xn-1, ∂/∂θ of the block ─► … ─► ∂/∂x0
//! ```
//!
//! Attention is the dear part of a block on long sequences and its backward pass recomputes the
//! probabilities anyway; so its result is kept beside the block's input and not computed a second time
//! for the block's own forward. Memory: two `[tokens, hidden]` a block, and one block's graph.

use candle_core::{Tensor, Var, backprop::GradStore};

use crate::error::{ModelError, Result};
use crate::llama::{Angles, Llama, Pass};
use crate::lora::LoraSet;
use crate::packed::Packed;

/// What a forward kept for its backward pass.
#[derive(Debug)]
pub struct Checkpoints {
    angles: Angles,
    /// Input and attention of each block.
    kept: Vec<(Tensor, Tensor)>,
    /// What the last block gave; a variable, so that its gradient can be asked for.
    last: Var,
}

impl Llama {
    /// Runs all blocks without a graph.
    pub fn checkpointed(&self, packed: &Packed, lora: Option<&LoraSet>) -> Result<Checkpoints> {
        let (mut x, angles) = self.embed(packed)?;
        let pass = Pass { packed, angles: &angles, lora, tracked: false, attended: None };
        let mut kept = Vec::with_capacity(self.config.layers);
        for i in 0..self.config.layers {
            let block = self.block(i, &x, &pass)?;
            let input = std::mem::replace(&mut x, block.out.detach());
            kept.push((input, block.attended.detach()));
        }
        Ok(Checkpoints { last: Var::from_tensor(&x)?, angles, kept })
    }

    /// Final normed hidden states `[tokens, hidden]`, with a graph that ends at the last block.
    pub fn checkpointed_hidden(&self, run: &Checkpoints) -> Result<Tensor> {
        self.final_norm(run.last.as_tensor())
    }

    /// Goes back through the blocks, from the gradients of a loss over [`Llama::checkpointed_hidden`].
    /// `each` gets every block's gradients, the last block's first: those of the adapter's tensors of that
    /// block are among them.
    pub fn checkpointed_backward(
        &self,
        packed: &Packed,
        lora: Option<&LoraSet>,
        run: Checkpoints,
        gradients: &GradStore,
        mut each: impl FnMut(&GradStore) -> Result<()>,
    ) -> Result<()> {
        let Checkpoints { angles, kept, last } = run;
        let missing = || ModelError::Invalid("the loss does not depend on the model".into());
        let mut gradient = gradients.get(last.as_tensor()).ok_or_else(missing)?.clone();
        drop(last);
        for (i, (input, attended)) in kept.into_iter().enumerate().rev() {
            let input = Var::from_tensor(&input)?;
            let pass =
                Pass { packed, angles: &angles, lora, tracked: true, attended: Some(&attended) };
            let out = self.block(i, input.as_tensor(), &pass)?.out;
            // The gradient of this sum by `out` is `gradient`.
            let store = (out * gradient)?.sum_all()?.backward()?;
            each(&store)?;
            gradient = store.get(input.as_tensor()).ok_or_else(missing)?.clone();
        }
        Ok(())
    }
}
