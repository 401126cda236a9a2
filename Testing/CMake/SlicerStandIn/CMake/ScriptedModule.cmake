# Scripted modules and their tests.
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(arg "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: NAME is mandatory")
  endif()
  if(NOT "${arg_NAME}.py" IN_LIST arg_SCRIPTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule(${arg_NAME}): SCRIPTS lacks ${arg_NAME}.py")
  endif()
  foreach(script IN LISTS arg_SCRIPTS)
    file(READ "${CMAKE_CURRENT_SOURCE_DIR}/${script}" start LIMIT 2 HEX)
    if(start STREQUAL "2321" AND NOT script MATCHES "/") # "#!"
      message(FATAL_ERROR "${script} begins with #!: Slicer would take the module for a CLI module")
    endif()
  endforeach()
  ctkMacroCompilePythonScript(
    TARGET_NAME ${arg_NAME}
    SCRIPTS ${arg_SCRIPTS}
    RESOURCES ${arg_RESOURCES}
    DESTINATION_DIR ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}
    INSTALL_DIR ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}
    NO_INSTALL_SUBDIR)
  set_property(GLOBAL APPEND PROPERTY standin_modules ${arg_NAME})
endfunction()

# Slicer runs the unit tests of a module by its name, and scripts by their path; here they are only noted.
function(slicer_add_python_unittest)
  cmake_parse_arguments(arg "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  get_filename_component(name "${arg_SCRIPT}" NAME_WE)
  get_property(modules GLOBAL PROPERTY standin_modules)
  if(NOT name IN_LIST modules)
    message(FATAL_ERROR "slicer_add_python_unittest: ${name} is no module of this extension")
  endif()
  add_test(NAME py_${arg_TESTNAME_PREFIX}${name} COMMAND "${CMAKE_COMMAND}" -E true)
endfunction()

function(slicer_add_python_test)
  cmake_parse_arguments(arg "" "SCRIPT;TESTNAME;TESTNAME_PREFIX" "SCRIPT_ARGS;SLICER_ARGS" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${arg_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_test: there is no script ${arg_SCRIPT}")
  endif()
  get_filename_component(name "${arg_SCRIPT}" NAME_WE)
  add_test(NAME py_${arg_TESTNAME_PREFIX}${name} COMMAND "${CMAKE_COMMAND}" -E true)
endfunction()
