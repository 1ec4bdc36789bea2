// os/sandbox.h: whether the process has put itself in a seccomp sandbox.
//
// Responsibility  Say when a system call that the process has not made before may end it.
// Contract        A filter that was there at the start was made for programs in general, as containers have one, and
//                 is none. Entering is seen where libc's prctl is ours (libhakmem.so, and a program linked with us):
//                 has_entered_sandbox() then asks nobody. Who enters by a system call of its own is seen by
//                 is_sandboxed() alone, which asks the kernel, once that is allowed.
// Observable      Nothing.
// Composable      Raw system calls. Used by what starts threads, opens files or gives unusual advice: heap, observe, profile,
//                 pool, superslab, large; api (prctl).
#pragma once

namespace hakmem::os {

// Called once, early.
void note_sandbox_at_start();

// In a child of fork: it is another process than a child of vfork, which runs in its parent's memory and enters for
// itself.
void note_process_of_sandbox();

// The program's own call, with its errno. Entering is PR_SET_SECCOMP and, before it where the process has no special
// rights, PR_SET_NO_NEW_PRIVS.
int pass_on_prctl(int option, const unsigned long (&arguments)[4]);

// No system call: for what is asked often.
bool has_entered_sandbox();

bool is_sandboxed();

}  // namespace hakmem::os
