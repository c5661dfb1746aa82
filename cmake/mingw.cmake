# Builds for Windows on x86-64 with Debian's mingw-w64, whose threads are those of POSIX. What is
# taken besides the C and C++ libraries comes from scripts/install_cross.sh; tests run under wine.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)  # GoogleTest asks for one
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
# As programs that are carried elsewhere: the compiler's own libraries are in them.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR
  ${CMAKE_COMMAND} -E env WINEDEBUG=-all WINEPREFIX=${CMAKE_BINARY_DIR}/wine wine)

set(SLUICE_CROSS ${CMAKE_CURRENT_LIST_DIR}/../build/cross/mingw/usr)
set(CMAKE_FIND_ROOT_PATH ${SLUICE_CROSS} /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# Of these the headers alone are used, so another system's packages will do.
set(fmt_DIR ${SLUICE_CROSS}/lib/x86_64-linux-gnu/cmake/fmt)
set(nlohmann_json_DIR ${SLUICE_CROSS}/share/cmake/nlohmann_json)
