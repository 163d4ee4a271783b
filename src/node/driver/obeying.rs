//! What a handle of the node asks for, carried out.

use super::Driver;
use crate::node::commands::Command;
use crate::registry::RegistrarError;

impl Driver {
    pub(super) fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Register(_, reply) | Command::Deregister { reply, .. }
                if self.leave_by.is_some() =>
            {
                self.replies.push((reply, Err(RegistrarError::Closed)));
            }
            Command::Register(instance, reply) => {
                self.look_at_endpoints(&instance);
                let result = self.engine.register(now, instance);
                self.replies.push((reply, result));
            }
            Command::Deregister { service, id, reply } => {
                let result = self.engine.deregister(now, &service, &id);
                self.replies.push((reply, result));
            }
            // Nobody answers when the node is leaving: the handle knows what that means.
            Command::Keys(..) if self.leave_by.is_some() => {}
            Command::Keys(command, reply) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(command.carry_out(&mut self.engine));
            }
            Command::Seeds(reply) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(self.seed_statuses());
            }
            Command::Leave => self.leave(),
        }
    }
}
