//! The first workspace, its owner, and the owner's token.

use anyhow::{Context as _, bail, ensure};
use rungate_core::agent::{Head, Member, Pat, Resource, Role, Scope, Workspace, WorkspaceSettings};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::{Catalog, CatalogError, Clock, Document, Entropy, Write, fresh_uuid};
use rungate_core::secret::{Secret, TokenHasher};

use crate::token;

/// What the owner token is made and kept with.
pub struct Owner<'a> {
    /// Where it is kept.
    pub catalog: &'a dyn Catalog,
    /// Hashes it.
    pub hasher: &'a TokenHasher,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Randomness.
    pub entropy: &'a dyn Entropy,
}

impl Owner<'_> {
    /// Sees to it that there is a workspace with an owner and an owner token, which is `given` if one is given. Returns
    /// the token when it was made here, to be shown once.
    pub async fn ensure(&self, given: Option<&Secret>) -> anyhow::Result<Option<Secret>> {
        if let Some(token) = given {
            ensure!(
                token::is_pat(token.expose()),
                "RUNGATE_OWNER_TOKEN must be `pat_ws`, 6 hexadecimal digits, `_` and 64 hexadecimal digits, all lower case; \
                 `echo pat_ws$(openssl rand -hex 3)_$(openssl rand -hex 32)` makes one"
            );
        }
        let stored = match self.stored().await? {
            Some(pat) => pat,
            None => match self.first_start(given).await {
                Ok(made) => return Ok(made),
                // Another node that started with this one on an empty database was faster.
                Err(CatalogError::AlreadyExists(_)) => {
                    self.stored().await?.context("there is a workspace, but no owner token")?
                }
                Err(error) => return Err(error.into()),
            },
        };
        if let Some(token) = given {
            self.put_in_force(stored, token).await.context("RUNGATE_OWNER_TOKEN")?;
        }
        Ok(None)
    }

    /// Makes `token` the owner token, unless it is already.
    async fn put_in_force(&self, stored: Pat, token: &Secret) -> anyhow::Result<()> {
        let usable = stored.revoked_at.is_none() && stored.expires_at.is_none();
        if usable && stored.token_hash == self.hasher.hash(token.expose()) {
            return Ok(());
        }
        self.replace(stored, token).await?;
        tracing::warn!("RUNGATE_OWNER_TOKEN has replaced the owner token; the one before no longer works");
        Ok(())
    }

    /// Replaces the owner token by a fresh one. The one before no longer works.
    pub async fn reset(&self) -> anyhow::Result<Secret> {
        let (write, token) = self.reset_write().await?;
        self.catalog.commit(vec![write]).await?;
        Ok(token)
    }

    /// As [`Owner::reset`], to be committed together with something else.
    pub async fn reset_write(&self) -> anyhow::Result<(Write, Secret)> {
        let Some(pat) = self.stored().await? else {
            bail!("there is no owner yet: the first `rungate serve` makes one");
        };
        let token = token::fresh_pat(pat.head.workspace_id, self.entropy);
        Ok((Write::update(&self.replaced(pat, &token))?, token))
    }

    /// The owner token of the oldest workspace.
    async fn stored(&self) -> anyhow::Result<Option<Pat>> {
        let pats = self.catalog.all(Pat::KIND).await?;
        let pats = pats.iter().map(Document::read::<Pat>).collect::<Result<Vec<_>, _>>()?;
        Ok(pats
            .into_iter()
            .filter(|pat| pat.is_owner_token)
            .min_by_key(|pat| (pat.head.created_at, pat.head.id)))
    }

    /// Makes the first workspace; the token, when it was made here.
    async fn first_start(&self, given: Option<&Secret>) -> Result<Option<Secret>, CatalogError> {
        let now = self.clock.now();
        let fresh = || fresh_uuid(self.entropy, now);
        let id = fresh();
        let workspace_id = WorkspaceId::new(id);
        let workspace = Workspace {
            head: Head::new(id, workspace_id, now),
            name: "Default".to_owned(),
            slug: "default".to_owned(),
            timezone: "UTC".to_owned(),
            settings: WorkspaceSettings::default(),
        };
        let member = Member {
            head: Head::new(fresh(), workspace_id, now),
            name: "Owner".to_owned(),
            email: None,
            role: Role::Owner,
        };
        let token = given.cloned().unwrap_or_else(|| token::fresh_pat(workspace_id, self.entropy));
        let pat = Pat {
            head: Head::new(fresh(), workspace_id, now),
            name: "Owner token".to_owned(),
            token_prefix: token::shown_prefix(&token),
            token_hash: self.hasher.hash(token.expose()),
            scopes: vec![Scope::Admin],
            member_id: member.id(),
            is_owner_token: true,
            expires_at: None,
            revoked_at: None,
        };
        let writes = vec![Write::insert(&workspace)?, Write::insert(&member)?, Write::insert(&pat)?];
        self.catalog.commit(writes).await?;
        Ok(given.is_none().then_some(token))
    }

    /// In place, so that going back to an earlier token works.
    async fn replace(&self, pat: Pat, token: &Secret) -> anyhow::Result<()> {
        match self.catalog.commit(vec![Write::update(&self.replaced(pat, token))?]).await {
            Err(CatalogError::AlreadyExists(_)) => {
                bail!("the token is in use as another personal access token")
            }
            done => Ok(done.map(drop)?),
        }
    }

    fn replaced(&self, mut pat: Pat, token: &Secret) -> Pat {
        pat.token_prefix = token::shown_prefix(token);
        pat.token_hash = self.hasher.hash(token.expose());
        pat.revoked_at = None;
        pat.expires_at = None;
        pat.touched(self.clock.now())
    }
}
