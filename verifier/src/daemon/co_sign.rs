//! Co-signing: a staged bundle is pulled from the coordinator, audited, and signed or refused.

use std::time::Duration;

use async_trait::async_trait;
use lode_bundle::{
    audit::{AuditOptions, Signatures},
    engine::BuiltinEngine,
    error::BundleError,
    pull::{self, ChunkSource, PullOptions},
};
use lode_node::{
    killpoint, rpc,
    transport::{Handle, Target},
};
use lode_proto::{
    exchange::{BundleReply, BundleRequest},
    manifest::BundleSignature,
    verify::{CoSignJob, VerifyRequest},
};

use super::{Verifier, shorten};
use crate::{
    book::Record,
    report::{Event, VerifierError},
};

/// Pause before a bundle that could not be pulled is tried again.
const AUDIT_PAUSE: Duration = Duration::from_secs(2);

/// The coordinator as a source of bundles.
pub(super) struct FromCoordinator {
    pub(super) handle: Handle,
    pub(super) target: Target,
}

#[async_trait]
impl ChunkSource for FromCoordinator {
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String> {
        rpc::call_bundle(&self.handle, &self.target, &request).await.map_err(|e| e.to_string())
    }
}

impl Verifier {
    pub(super) async fn co_sign(&mut self, job: &CoSignJob) -> Result<(), VerifierError> {
        let signed = self.book.signature(job.epoch).cloned();
        let signature = match signed {
            Some((manifest, signature)) if manifest == job.manifest => signature,
            Some((manifest, _)) => {
                let reason = format!("manifest {manifest} was signed for this epoch before");
                return self.refuse(job, reason).await;
            }
            None => {
                match self.audit(job).await {
                    Ok(()) => {}
                    // The coordinator went away, or this disk is full: that says nothing about
                    // the bundle. What was pulled stays, and the coordinator asks again.
                    Err(error @ (BundleError::Source(_) | BundleError::Io { .. })) => {
                        tracing::warn!(epoch = job.epoch, %error, "not audited yet");
                        tokio::time::sleep(AUDIT_PAUSE).await;
                        return Ok(());
                    }
                    Err(error) => return self.refuse(job, error.to_string()).await,
                }
                let content = BundleSignature { manifest: job.manifest, epoch: job.epoch };
                let signature = self.client.caller().seal(&content).await?;
                killpoint::reach("verifier:audited");
                let record = Record::Signed {
                    epoch: job.epoch,
                    manifest: job.manifest,
                    signature: signature.clone(),
                };
                self.keep(record)?;
                (self.events)(Event::Signed { epoch: job.epoch, manifest: job.manifest });
                signature
            }
        };
        killpoint::reach("verifier:sign");
        self.hand_in("signature", VerifyRequest::CoSign(signature)).await
    }

    /// Pulls the bundle and audits it against the network that this verifier trusts.
    async fn audit(&self, job: &CoSignJob) -> Result<(), BundleError> {
        let threads = match self.config.threads {
            0 => AuditOptions::default().threads,
            some => some,
        };
        let options = PullOptions {
            audit: AuditOptions {
                anchor: Some(self.network),
                signatures: Signatures::Staged,
                threads,
                ..AuditOptions::default()
            },
            manifest: Some(job.manifest),
            skip_audit: false,
        };
        let out = self.config.data.join("bundles").join(job.manifest.to_string());
        pull::pull(&self.source, &job.name, &out, &BuiltinEngine, &options, &|_| {}).await?;
        Ok(())
    }

    async fn refuse(&self, job: &CoSignJob, reason: String) -> Result<(), VerifierError> {
        let reason = shorten(&reason);
        tracing::error!(epoch = job.epoch, %reason, "the bundle is not signed");
        (self.events)(Event::Refused { epoch: job.epoch, reason: reason.clone() });
        let request = VerifyRequest::RefuseCoSign { manifest: job.manifest, reason };
        self.hand_in("refusal to sign", request).await
    }
}
