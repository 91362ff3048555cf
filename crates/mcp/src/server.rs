//! The protocol: requests in, answers out. A verb blocks, so each call is a thread of its own that is waited for.

use std::{sync::Arc, time::Instant};

use biplane_coordination::{Access, Error, Scope};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, GetPromptRequestParams, GetPromptResponse,
        Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProgressNotificationParam, ProgressToken, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SubscriptionFilter,
    },
    service::{Peer, RequestContext, SubscriptionContext},
};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Setting, answer, bounds,
    call::{Call, Watch},
    page, permit, prompts, resources, tools,
};

/// The server: the same for every client and every request.
#[derive(Clone)]
pub(crate) struct Server {
    setting: Arc<Setting>,
    /// What it says of itself.
    instructions: Arc<str>,
    /// Room for calls.
    room: Arc<Semaphore>,
    /// Whether the server ends.
    ends: CancellationToken,
    /// The calls at work.
    at_work: TaskTracker,
}

impl Server {
    /// A server that ends with `ends`.
    ///
    /// # Errors
    /// When the home can't be opened, or the caller's scope can't be told: better said now than to each call.
    pub(crate) fn new(setting: Setting, ends: CancellationToken) -> Result<Self, Error> {
        let instructions = instructions(&setting.scope()?).into();
        let room = Arc::new(Semaphore::new(bounds::CALLS));
        Ok(Self { setting: Arc::new(setting), instructions, room, ends, at_work: TaskTracker::new() })
    }

    /// Asks what is at work to end, and waits for it, for a time.
    pub(crate) async fn end(&self) {
        self.ends.cancel();
        self.at_work.close();
        // What takes longer is found by the next command, as after a crash.
        let _ = tokio::time::timeout(bounds::END_WAIT, self.at_work.wait()).await;
    }

    /// Does `act` on a thread of its own, and tells whoever asked how far it is. Whoever cancels is not kept waiting; what is at work is
    /// asked to end.
    async fn on_thread<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        act: impl FnOnce(&Setting, Watch) -> T + Send + 'static,
    ) -> Result<T, ErrorData> {
        let gone = || ErrorData::internal_error("the call was cancelled", None);
        let stop = self.ends.child_token();
        let _stops = stop.clone().drop_guard();
        let (tell, mut told) = mpsc::channel(bounds::MESSAGES);
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_owned() => room.map_err(|_| gone())?,
            () = context.ct.cancelled() => return Err(gone()),
            () = self.ends.cancelled() => return Err(gone()),
        };
        let setting = Arc::clone(&self.setting);
        let stopped = stop.clone();
        // What finds no room is left out.
        let watch = Watch::new(move || stopped.is_cancelled(), move |text| _ = tell.try_send(text));
        let mut work = self.at_work.spawn_blocking(move || {
            let done = act(&setting, watch);
            drop(room);
            done
        });
        let mut progress = Progress::new(context);
        let mut every = tokio::time::interval_at(
            tokio::time::Instant::now() + bounds::PROGRESS_EVERY,
            bounds::PROGRESS_EVERY,
        );
        loop {
            tokio::select! {
                done = &mut work => {
                    return done.map_err(|_| ErrorData::internal_error("the call broke off; nothing is known of its end", None));
                }
                Some(text) = told.recv() => progress.tell(&text).await,
                _ = every.tick() => progress.goes_on().await,
                () = context.ct.cancelled() => return Err(gone()),
            }
        }
    }

    /// As [`Server::on_thread`], with the home opened.
    async fn look<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        look: impl FnOnce(&Call) -> Result<T, ErrorData> + Send + 'static,
    ) -> Result<T, ErrorData> {
        self.on_thread(context, |setting, watch| {
            let call = Call::open(setting, Access::Read, watch).map_err(|e| prompts::as_protocol(&e))?;
            look(&call)
        })
        .await?
    }

    async fn called(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let (tool, prepared) = tools::understand(&request.name, request.arguments.unwrap_or_default())
            .map_err(|fault| ErrorData::invalid_params(fault, None))?;
        let done = self
            .on_thread(context, move |setting, watch| {
                Call::open(setting, tool.sort.access, watch)?.carry_out(tool, prepared)
            })
            .await?;
        Ok(done.map_or_else(|error| answer::failed(&error), CallToolResult::structured))
    }
}

/// What whoever asked for it hears of a call at work.
struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    told: u32,
    began: Instant,
}

impl Progress {
    fn new(context: &RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        Self { peer: context.peer.clone(), token, told: 0, began: Instant::now() }
    }

    async fn tell(&mut self, text: &str) {
        let Some(token) = &self.token else { return };
        self.told += 1;
        let said = ProgressNotificationParam::new(token.clone(), f64::from(self.told)).with_message(text);
        // Whoever does not listen any more misses nothing.
        let _ = self.peer.notify_progress(said).await;
    }

    async fn goes_on(&mut self) {
        let seconds = self.began.elapsed().as_secs();
        self.tell(&format!("at work for {seconds} s")).await;
    }
}

/// What the server says of itself to whom it belongs to nobody.
const INSTRUCTIONS: &str = "biplane runs many coding agents on one git repository: tasks say what is to be done, worktrees are where it is done. \
The prompt `lead` says how to lead such work. Every call stands for itself: name the task or the worktree in its arguments.";

fn instructions(scope: &Scope) -> String {
    match scope {
        Scope::Home => INSTRUCTIONS.to_owned(),
        Scope::Own(own) => format!(
            "{INSTRUCTIONS} This caller works on {} and may change nothing else; it may read the board.",
            permit::own_words(own)
        ),
    }
}

fn cursor(request: Option<&PaginatedRequestParams>) -> Option<&str> {
    request.and_then(|request| request.cursor.as_deref())
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        let me = Implementation::new("biplane", env!("CARGO_PKG_VERSION")).with_title("biplane");
        ServerConfig::new(capabilities).with_server_info(me).with_instructions(&*self.instructions)
    }

    /// Subscriptions are those of the newest revision; the older ones would need a session.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut result = self.negotiate_initialize(&request)?;
        if let Some(resources) = &mut result.capabilities.resources {
            resources.subscribe = None;
        }
        Ok(result)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten();
        let uris: Vec<String> =
            uris.filter(|uri| resources::is_one(uri)).take(bounds::SUBSCRIBED).cloned().collect();
        Some(SubscriptionFilter::builder().resource_subscriptions(uris).build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room =
            room.map_err(|_| ErrorData::internal_error("too much is at work; try again later", None))?;
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let stop = self.ends.child_token();
        let _stops = stop.clone().drop_guard();
        let (tell, mut told) = mpsc::channel(bounds::MESSAGES);
        let setting = Arc::clone(&self.setting);
        let mut watching = self.at_work.spawn_blocking(move || {
            let watched = resources::watch(&setting, &uris, &stop, &tell);
            drop(room);
            watched
        });
        loop {
            tokio::select! {
                Some(uri) = told.recv() => {
                    if context.sink().notify_resource_updated(uri).await.is_err() {
                        return Ok(());
                    }
                }
                watched = &mut watching => {
                    let watched = watched.map_err(|_| ErrorData::internal_error("the watch broke off", None))?;
                    return watched.map_err(|error| prompts::as_protocol(&error));
                }
                () = context.cancelled() => return Ok(()),
            }
        }
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let scope = self.look(&context, |call| Ok(call.scope.clone())).await?;
        let useful = tools::all().iter().filter(|tool| permit::has_use(&scope, tool.sort.right));
        let all = useful.map(|tool| tool.listed.clone()).collect();
        let name = |tool: &rmcp::model::Tool| tool.name.to_string();
        let page = page::page("tools", all, name, cursor(request.as_ref()), bounds::TOOLS_PAGE)
            .map_err(|fault| ErrorData::invalid_params(fault, None))?;
        Ok(ListToolsResult { next_cursor: page.next, ..ListToolsResult::with_all_items(page.records) })
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        tools::find(name).map(|tool| tool.listed.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.called(request, &context).await.map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.look(&context, move |call| prompts::get(call, &request)).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let (records, next_cursor) =
            self.look(&context, move |call| resources::list(call, cursor(request.as_ref()))).await?;
        Ok(ListResourcesResult { next_cursor, ..ListResourcesResult::with_all_items(records) })
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.look(&context, move |call| resources::read(call, &request.uri)).await.map(Into::into)
    }
}
