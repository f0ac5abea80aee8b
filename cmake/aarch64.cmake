# Toolchain: 64-bit Arm on a Debian or Ubuntu machine of another kind (g++-aarch64-linux-gnu), programs run by qemu-user.
# Only header-only libraries of the build machine are used, so OCTAVO_KERNELS_ONLY belongs with it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-cpu;max;-L;/usr/aarch64-linux-gnu)
