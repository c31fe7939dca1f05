import { USER } from "./image.ts";

/** For a script: `until_ COMMAND` tries it for ten minutes or more: a machine that has to share its processor is slow. */
export const COMMANDS = `
export AURORA_PACKS=/packs
until_() { for try in $(seq 2000); do "$@" >/dev/null 2>&1 && return; sleep 0.3; done; echo "not in time: $*"; }
`;

/** And for one about the ordinary user: `as_user COMMAND`; `user_unit` prints its unit and starts it. */
export const USER_COMMANDS = `${COMMANDS}
as_user() { runuser -u ${USER} -- env -C /home/${USER} XDG_RUNTIME_DIR=/run/user/1000 "$@"; }
user_unit() {
  as_user mkdir -p .config/systemd/user
  as_user aurora daemon --print-systemd-unit --user >/home/${USER}/.config/systemd/user/aurora.service
  as_user systemctl --user daemon-reload
  as_user systemctl --user enable --quiet --now aurora
}
`;
