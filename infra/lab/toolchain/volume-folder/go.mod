module millrace.dev/toolchain/volume-folder

go 1.24.0
